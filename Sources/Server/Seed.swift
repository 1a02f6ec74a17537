enum SeedServer {}
