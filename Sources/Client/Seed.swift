enum SeedClient {}
