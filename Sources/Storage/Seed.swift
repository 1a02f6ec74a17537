enum SeedStorage {}
