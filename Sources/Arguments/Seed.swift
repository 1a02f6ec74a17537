enum SeedArguments {}
