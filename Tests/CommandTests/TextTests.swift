import Arguments
import Client
import Model
import Snapshot
import Testing

@testable import lunaport

@Suite struct TextTests {
  @Test func runsAreATableWithAStateEach() throws {
    let runs = [
      Views.run("aaaaaaaa", .queued, served: false, attempt: 0), Views.run("bbbbbbbb", .building),
      Views.run("cccccccc"), Views.run("dddddddd", .failed, reason: .exit, exitCode: 3),
      Views.run("eeeeeeee", .failed, reason: .outOfMemory, signal: 9), Views.run("ffffffff", .lost, reason: .lost),
      Views.run("gggggggg", .stopped, reason: .stopped), Views.run("hhhhhhhh", .succeeded, reason: .exit, exitCode: 0),
    ]
    try Golden.check(RunText.table(runs, now: testTime).rendered(on: .plain) + "\n", "run-list")
    try Golden.check(RunText.table(runs, now: testTime).rendered(on: colourTerminal) + "\n", "run-list-terminal")
  }

  @Test func oneRunFitsOneScreen() throws {
    let page = RunText.page(
      Views.run(
        "dddddddd", .failed, reason: .exit, exitCode: 3, message: "its program exited with code 3", attempt: 2,
        retries: 1), now: testTime, on: .plain)
    #expect(page.split(separator: "\n").count <= 24)
    try Golden.check(page + "\n", "run-show")
  }

  @Test func whatARunSaysCannotSpeakToTheTerminal() {
    let page = RunText.page(Views.run(message: "\u{1B}[2Jgone\r"), now: testTime, on: colourTerminal)
    #expect(!page.contains("\u{1B}[2J"))
    #expect(!page.contains("\r"))
  }

  @Test func queuesAgentsAndJobsReadWell() throws {
    try Golden.check(QueueText.table([Views.queue]).rendered(on: .plain) + "\n", "queue-list")
    try Golden.check(QueueText.page(Views.queue, on: .plain) + "\n", "queue-show")
    try Golden.check(AgentText.table([Views.agent], now: testTime).rendered(on: .plain) + "\n", "agents")
    let source = Source(
      kind: .code, manifest: "m", entryPoint: ["python3", "-m", "a b"], python: "3.11", requirements: "requirements.txt"
    )
    let versions = (0..<3).map { number in
      JobVersion(
        entity: "research", project: "demo", name: "train", version: number, aliases: number == 2 ? ["latest"] : [],
        source: source, digest: "d\(number)", author: "alice", createdAt: testTime - 86_400 * Double(3 - number))
    }
    let image = JobVersion(
      entity: "research", project: "demo", name: "job-app", version: 0, aliases: ["1.0", "latest"],
      source: Source(
        kind: .image,
        image: try ImageReference("registry.example/app:1.0@sha256:" + String(repeating: "0a", count: 32)),
        entryPoint: []),
      inputs: Inputs(inferredFrom: ["lr": 0.1, "opt": ["name": "adam"], "sizes": [1, 2]]), digest: "d", author: "alice",
      createdAt: testTime - 60)
    try Golden.check(JobText.page(image, versions: [image], now: testTime, on: .plain) + "\n", "job-describe-image")
    let git = JobVersion(
      entity: "research", project: "demo", name: "job-git", version: 0, aliases: ["latest"],
      source: Source(
        kind: .git,
        git: GitSource(
          url: "https://git.example/a", commit: String(repeating: "0a", count: 20), ref: "main", folder: "train",
          secret: "git-git.example", user: "bot"), entryPoint: ["python3", "a.py"], python: "3.11",
        requirements: "pyproject.toml"), digest: "d", author: "alice", createdAt: testTime - 60)
    try Golden.check(JobText.page(git, versions: [git], now: testTime, on: .plain) + "\n", "job-describe-git")
    try Golden.check(JobText.table(versions, now: testTime).rendered(on: .plain) + "\n", "job-list")
    try Golden.check(
      JobText.page(versions[2], versions: versions.reversed(), now: testTime, on: .plain) + "\n", "job-describe")
  }

  @Test func anExplanationIsItsSentenceItsFactsAndWhatToDo() {
    let explanation = Explanation(
      summary: "run a has waited 3s in queue gpu: no active agent polls the queue",
      facts: ["agent box was last heard from 2m ago"], help: ["start one: lunaport agent -q gpu"])
    #expect(
      explanation.rendered(on: .plain) == """
        run a has waited 3s in queue gpu: no active agent polls the queue
          = agent box was last heard from 2m ago
        help: start one: lunaport agent -q gpu
        """)
  }

  @Test(
    "times are told in their largest unit",
    arguments: [
      (0.2, "now"), (-3, "now"), (1, "1s ago"), (59.9, "59s ago"), (60, "1m ago"), (3_599, "59m ago"),
      (7_200, "2h ago"), (86_400 * 9, "9d ago"),
    ] as [(Double, String)])
  func times(_ seconds: Double, _ text: String) {
    #expect(ago(Timestamp.text(testTime - seconds), now: testTime) == text)
  }

  @Test(
    "lengths are told in their two largest units",
    arguments: [
      (0.04, "0s"), (2.54, "2.5s"), (45, "45s"), (65, "1m5s"), (3_600, "1h"), (3_725, "1h2m"), (200_000, "2d7h"),
    ] as [(Double, String)])
  func lengths(_ seconds: Double, _ text: String) {
    #expect(length(seconds) == text)
  }

  @Test func wordsAreQuotedForTheShellOnlyWhereTheyMustBe() {
    #expect(
      ["a", "--x=1", "a b", "it's", "", "$x"].map(ShellWord.quoted) == [
        "a", "--x=1", "'a b'", #"'it'\''s'"#, "''", "'$x'",
      ])
  }

  @Test func logLinesAreLogfmt() {
    #expect(
      LogLines.line(
        "info", "serving runs", from: "server", ["url": "http://x:1", "note": "say \"hi\"\n", "empty": ""], at: testTime
      )
        == #"time=2026-07-01T12:00:00.000Z level=info from=server msg="serving runs" empty="" note="say \"hi\"\n" url=http://x:1"#
    )
  }
}

@Suite struct FailureTests {
  private func text(_ error: some CommandFailure) -> String { error.report(on: .plain) }

  @Test func aRefusalIsItsCodeItsFactAndItsHint() {
    let error = APIError.refused(
      status: 404, ErrorView.Body(code: "not_found", message: "there is no run `x`", hint: "list them"))
    #expect(text(error) == "error[not_found]: there is no run `x`\nhelp: list them")
    #expect(error.exitCode == .couldNotRun)
  }

  @Test func aRefusedKeySaysHowToGetIn() {
    let error = APIError.refused(status: 401, ErrorView.Body(code: "unauthorized", message: "the key is not known"))
    #expect(text(error).hasSuffix("help: run 'lunaport login', or set LUNAPORT_API_KEY"))
    let forWriters = APIError.refused(
      status: 401,
      ErrorView.Body(code: "unauthenticated", message: "no key", hint: "send Authorization: Bearer KEY"))
    #expect(text(forWriters).hasSuffix("no key\nhelp: run 'lunaport login', or set LUNAPORT_API_KEY"))
  }

  @Test func allProblemsOfARequestAreShownEachOnce() throws {
    let place = Place(file: "queues.d/nowhere.lua", line: 3, column: 5, length: 6)
    let problems = [
      Diagnostic(
        "S0001", "queue `gpu` has no variable `x`", because: .init(place, "the queue is declared here"),
        help: "its variables: gpus"),
      Diagnostic("S0003", "variable `gpus` of queue `gpu` cannot be integer 9", help: "give it integer, 1 to 8"),
    ]
    let error = APIError.refused(
      status: 422,
      ErrorView.Body(code: "invalid", message: "queue `gpu` has no variable `x`, and 1 more", problems: problems))
    try Golden.check(text(error) + "\n", "request-problems")
  }

  @Test func aRefusedAgentIsAConfigurationError() {
    let need = Need(
      .driver(target: "slurm"), why: "the queue's target", place: Place(file: "queues.d/s.lua", line: 3, column: 3))
    let report = Coverage.Report(
      agent: "box",
      entries: [
        .init(queue: "s", gap: .init(need: need, fact: "no driver of target `slurm` is installed; installed: process"))
      ])
    let error = APIError.refused(
      status: 422, ErrorView.Body(code: "refused", message: "agent `box` does not cover its queues", report: report))
    #expect(error.exitCode == .configuration)
  }

  @Test func aServerThatDoesNotAnswerIsNamedWithWhatToDo() {
    let error = APIError.unreachable(
      HTTPClientError(
        code: .connectionRefused, method: .get, url: "http://127.0.0.1:1/api/v1/runs?x=1", fact: "nobody listens there",
        hint: "start the server", requestSent: false))
    #expect(
      text(error) == "error: cannot reach http://127.0.0.1:1/api/v1/runs: nobody listens there\nhelp: start the server")
    #expect(error.exitCode == .couldNotRun)
  }

  @Test func aFolderThatIsTooBigNamesItsFiles() {
    let error = SnapshotError(
      .tooLarge, "x holds 2 GiB", notes: ["the biggest files:", "2 GiB  data.bin"], hint: "ignore it")
    #expect(text(error) == "error: x holds 2 GiB\n  = the biggest files:\n  = 2 GiB  data.bin\nhelp: ignore it")
  }
}
