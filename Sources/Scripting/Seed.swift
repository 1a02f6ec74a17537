enum SeedScripting {}
