enum SeedAgent {}
