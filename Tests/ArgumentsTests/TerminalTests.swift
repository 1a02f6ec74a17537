import Model
import Testing

@testable import Arguments

private func terminal(_ variables: [String: String] = [:], isTerminal: Bool = true, columns: Int? = 100) -> Terminal {
  Terminal(isTerminal: isTerminal, columns: columns, environment: Environment(variables))
}

@Suite struct TerminalTests {
  @Test func colourIsForTerminalsUnlessSomeoneSaysOtherwise() {
    #expect(terminal().colour)
    #expect(!terminal(isTerminal: false).colour)
    #expect(!terminal(["NO_COLOR": "1"]).colour)
    #expect(terminal(["NO_COLOR": ""]).colour)
    #expect(!terminal(["TERM": "dumb"]).colour)
    #expect(terminal(["CLICOLOR_FORCE": "1"], isTerminal: false).colour)
    #expect(!terminal(["CLICOLOR_FORCE": "0"], isTerminal: false).colour)
    #expect(!terminal(["CLICOLOR_FORCE": "1", "NO_COLOR": "1"]).colour)
  }

  @Test func widthIsTheTerminalsOwnAndNoneForAPipe() {
    #expect(terminal().width == 100)
    #expect(terminal(columns: nil).width == 80)
    #expect(terminal(["COLUMNS": "60"], columns: nil).width == 60)
    #expect(terminal(["COLUMNS": "0"], columns: nil).width == 80)
    #expect(terminal(isTerminal: false).width == nil)
  }

  @Test func stylesShowOnlyInColour() {
    #expect(terminal().paint("no", .bold, .red) == "\u{1B}[1;31mno\u{1B}[0m")
    #expect(terminal().paint("", .bold) == "")
    #expect(Terminal.plain.paint("no", .bold, .red) == "no")
  }

  @Test(arguments: [
    ("", 0), ("abc", 3), ("日本語", 6), ("한국어", 6), ("e\u{301}", 1), ("👩‍👩‍👧", 2), ("ｱ", 1), ("Ａ", 2), ("…", 1),
    ("❤️", 2), ("🚀", 2), ("\u{200B}", 0), ("é", 1), ("→", 1), ("\u{1B}", 0),
  ])
  func widthCountsColumnsAndNotCharacters(_ text: String, _ width: Int) {
    #expect(displayWidth(of: text) == width)
  }

  @Test(arguments: [
    ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("abc", 1, "…"), ("abc", 0, ""),
  ])
  func textIsCutWithinItsColumns(_ text: String, _ width: Int, _ cut: String) {
    #expect(truncated(text, to: width) == cut)
    #expect(displayWidth(of: cut) <= width)
  }

  @Test func controlCharactersAreMadeVisible() {
    #expect(printable("a\u{1B}[31mb\nc\td\u{7F}\u{85}\u{202E}") == "a␛[31mb␊c␉d␡\u{FFFD}\u{FFFD}")
    #expect(printable("日本 👩‍👩‍👧") == "日本 👩‍👩‍👧")
  }

  @Test func textIsWrappedBetweenWordsByColumns() {
    #expect(wrapped("one two three", width: 9, indent: 2) == "one two\n  three")
    #expect(wrapped("日本 日本 日本", width: 9, indent: 0) == "日本 日本\n日本")
    #expect(wrapped("unbreakable word", width: 4, indent: 0) == "unbreakable\nword")
    #expect(wrapped("a  b\n\n  keep   this", width: 20, indent: 0) == "a b\n\n  keep   this")
  }
}

@Suite struct TableTests {
  private var table: Table {
    var table = Table([.init("NAME"), .init("AGENTS", .right), .init("STATE")])
    table.append(["gpu", "3", .init("Running", .green)])
    table.append(["日本の行列", "12", "Idle"])
    return table
  }

  @Test func columnsLineUpAndNumbersStandOnTheRight() {
    #expect(
      table.rendered(on: .plain) == """
        NAME        AGENTS  STATE
        gpu              3  Running
        日本の行列      12  Idle
        """)
  }

  @Test func coloursDoNotMoveColumns() {
    let lines = table.rendered(on: terminal()).split(separator: "\n")
    #expect(lines.first == "\u{1B}[1mNAME\u{1B}[0m        \u{1B}[1mAGENTS\u{1B}[0m  \u{1B}[1mSTATE\u{1B}[0m")
    #expect(lines.dropFirst().first == "gpu              3  \u{1B}[32mRunning\u{1B}[0m")
  }

  @Test func onATerminalTheWidestColumnIsCutFirst() {
    var table = Table([.init("ID"), .init("ERROR"), .init("JOB")])
    table.append(["abcdefgh", .init(String(repeating: "x", count: 100)), "train"])
    let narrow = Terminal(isTerminal: true, columns: 30, environment: Environment(["NO_COLOR": "1"]))
    #expect(
      table.rendered(on: narrow) == """
        ID        ERROR          JOB
        abcdefgh  xxxxxxxxxxxx…  train
        """)
    #expect(table.rendered(on: .plain).contains(String(repeating: "x", count: 100)))
  }

  @Test(arguments: 1...60) func noLineIsWiderThanTheTerminalWhileColumnsCanBeCut(_ columns: Int) {
    let narrow = Terminal(isTerminal: true, columns: columns, environment: Environment(["NO_COLOR": "1"]))
    for line in table.rendered(on: narrow).split(separator: "\n") {
      // Three columns of four and two gaps are the least.
      #expect(displayWidth(of: line) <= max(columns, 16))
    }
  }

  @Test func aCellIsOneLineAndCannotSpeakToTheTerminal() {
    var table = Table([.init("LOG")])
    table.append([.init("a\nb\u{1B}]0;title\u{7}")])
    #expect(table.rendered(on: .plain) == "LOG\na␊b␛]0;title␇")
  }

  @Test func withoutRowsTheHeadingsRemain() {
    #expect(Table([.init("NAME"), .init("STATE")]).rendered(on: .plain) == "NAME  STATE")
  }
}

@Suite struct ProgressTests {
  @Test func aKnownTotalIsABar() {
    let progress = Progress("uploading", done: 3, of: 8)
    #expect(progress.line(on: terminal(), frame: 0) == "[#######             ]  37%  3/8  uploading")
    #expect(Progress("x", done: 999, of: 1_000).line(on: terminal(), frame: 0).contains(" 99%"))
    #expect(Progress("x", done: 9, of: 3).line(on: terminal(), frame: 0).contains("100%"))
  }

  @Test func anUnknownTotalIsASpinner() {
    let lines = [-1, 0, 1, 4].map { Progress("waiting").line(on: terminal(), frame: $0) }
    #expect(lines == ["\\ waiting", "| waiting", "/ waiting", "| waiting"])
  }

  @Test func nothingIsShownWhereALineCannotBeDrawnOver() {
    #expect(Progress("waiting").line(on: .plain, frame: 0) == "")
    #expect(Progress("waiting").line(on: terminal(["TERM": "dumb"]), frame: 0) == "")
    #expect(Progress("waiting").line(on: terminal(["CLICOLOR_FORCE": "1"], isTerminal: false), frame: 0) == "")
  }

  @Test func theLineFitsTheTerminal() {
    let line = Progress(String(repeating: "日", count: 100)).line(on: terminal(columns: 20), frame: 0)
    #expect(displayWidth(of: line) <= 19)
  }
}
