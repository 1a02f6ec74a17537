import Arguments

await Lunaport(environment: .process).program.main()
