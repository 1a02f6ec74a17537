enum SeedModel {}
