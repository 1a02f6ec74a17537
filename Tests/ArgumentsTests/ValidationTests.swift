import Arguments
import Testing

private func program(_ commands: Command...) -> Program {
  Program("p", "A program.", version: "1", commands: commands)
}

private func command(_ name: String = "run", _ declare: (inout Declaration) -> Void) -> Command {
  Command(name, "Run.") { declaration in
    declare(&declaration)
    return { _, _ in .ok }
  }
}

@Suite struct ValidationTests {
  @Test func aGoodProgramHasNoMistakes() { #expect(sample.validate() == []) }

  @Test func allMistakesAreListedEachWithItsPlace() {
    let mistaken = program(
      Command("group", "A group.", subcommands: [command { _ = $0.flag("json", short: "j", help: "") }]),
      Command("empty", "Two\nlines.", subcommands: []), command("Bad", { _ in }), command("group", { _ in }),
      command("help", { _ in }))
    #expect(
      mistaken.validate() == [
        "p: the command 'help' is reserved.",
        "p: the command 'group' is declared twice.",
        "p group run: '--json' has no help.",
        "p empty: its abstract is more than one line.",
        "p empty: it is a group without commands.",
        "p Bad: the name is not of lower-case letters, digits and '-'.",
      ])
  }

  @Test func optionsThatHideEachOtherAreMistakes() {
    let mistaken = command {
      _ = $0.flag("agent", short: "a", help: "One.")
      _ = $0.option("all", short: "a", .string, help: "Two.")
      _ = $0.toggle("agent", default: true, help: "Three.")
      _ = $0.flag("no-agent", help: "Four.")
    }
    #expect(
      program(mistaken).validate() == [
        "p run: the option '-a' is declared twice.",
        "p run: the option '--agent' is declared twice.",
        "p run: the option '--no-agent' is declared twice.",
      ])
  }

  @Test func argumentsThatCanNeverBeReachedAreMistakes() {
    let mistaken = command {
      _ = $0.optionalArgument("first", .string, help: "One.")
      _ = $0.argument("second", .string, help: "Two.")
      _ = $0.arguments("rest", .string, help: "Three.")
      _ = $0.optionalArgument("last", .string, help: "Four.")
    }
    #expect(
      program(mistaken).validate() == [
        "p run: the argument '<second>' is required, and comes after '<first>', which is not.",
        "p run: the argument '<last>' is never reached: '<rest>' takes all that is left.",
      ])
  }

  @Test func namesDefaultsChoicesAndListsAreChecked() {
    let mistaken = command {
      _ = $0.option("n", short: "1", .string, help: "One.")
      _ = $0.option("jobs", .integer(1...4), default: 9, help: "Two.")
      _ = $0.option("help", short: "h", .string, environment: "lower", help: "Three.")
      _ = $0.option("kind", .choice(["a b", "c", "c"]), help: "Four.")
      _ = $0.option("none", .choice([]), help: "Five.")
      _ = $0.option("queue", .name(from: "queues"), help: "Six.")
    }
    #expect(
      program(mistaken).validate() == [
        "p run: the name of '--n <n>' is not of two or more lower-case letters, digits and '-'.",
        "p run: the short name of '--n <n>' is not a letter.",
        "p run: the default of '--jobs <jobs>' is not one of its values.",
        "p run: '--help <help>' takes a name that is reserved for help.",
        "p run: 'lower', the environment variable of '--help <help>', is not of upper-case letters, digits and '_'.",
        "p run: the choice 'a b' of '--kind <kind>' is not of letters, digits and ._:/@+-",
        "p run: the choice 'c' of '--kind <kind>' is declared twice.",
        "p run: '--none <none>' has no choices.",
        "p run: '--queue <queue>' is completed from the list 'queues', which the program lacks.",
      ])
  }
}
