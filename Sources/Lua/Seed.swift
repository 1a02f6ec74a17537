enum SeedLua {}
