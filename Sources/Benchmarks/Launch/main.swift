import Client
import FoundationEssentials
import Glibc
import HTTP
import Model

// What a run costs, end to end, on this machine: server, agent and programs together.
//   benchmark-launch [RUNS]
// Starts `lunaport up` from the same folder, then measures
// - from submit to the program's own first instruction, on an idle queue;
// - no-op runs a second, durable, from the first submit to the last end, against a bare spawn-and-wait loop of the same
//   program in the same run.

let runs = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? 2_000
let latencies = 200
let root = FileManager.default.temporaryDirectory.appending(path: "benchmark-launch-\(UUID().uuidString)")

func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Starts a program; `output` becomes its standard output.
func spawn(_ program: String, _ arguments: [String], output: Int32? = nil) -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  if let output { posix_spawn_file_actions_adddup2(&actions, output, 1) }
  var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
  defer { for word in words { free(word) } }
  var pid: pid_t = 0
  let result = posix_spawnp(&pid, program, &actions, nil, &words, environ)
  posix_spawn_file_actions_destroy(&actions)
  return result == 0 ? pid : -1
}

func wait(_ pid: pid_t) {
  var status: Int32 = 0
  while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
}

func write(_ text: String, to path: String) throws {
  let file = root.appending(path: path)
  try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(text.utf8).write(to: file)
}

func percentile(_ values: [Double], _ share: Double) -> Double {
  values.sorted()[min(values.count - 1, Int(Double(values.count) * share))]
}

func shown(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

/// A server with its agent, in a process of its own.
struct Up {
  var process: pid_t
  var client: APIClient
  var http: HTTPClient
  var url: String
  var key: String

  init() throws {
    let folder = CommandLine.arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let binary = (folder + ["lunaport"]).joined(separator: "/")
    var pipes: [Int32] = [0, 0]
    guard pipe(&pipes) == 0 else { throw Failed("no pipe") }
    process = spawn(
      binary,
      [
        "up", "--data", root.appending(path: "data").path, "--listen", "127.0.0.1:0", "--queues",
        root.appending(path: "queues.d").path, "--plugins", "plugins", "--max-jobs", "8",
      ], output: pipes[1])
    close(pipes[1])
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(pipes[0], &byte, 1) == 1, byte != 10 { line.append(byte) }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard words.count == 2, words[0] == "ready" else { throw Failed("the server did not start") }
    url = String(words[1])
    key = try String(decoding: Data(contentsOf: root.appending(path: "data/admin.key")), as: UTF8.self)
      .trimmingCharacters()
    http = HTTPClient()
    client = APIClient(url: url, key: key, http: http)
  }

  func post(_ path: String, _ body: Value) async throws -> Value {
    var headers = HTTPHeaders()
    headers.add("Authorization", "Bearer \(key)")
    headers.add("Content-Type", "application/json")
    let response = try await http.send(
      HTTPClient.Request(.post, url + path, headers: headers, body: .bytes(Array(body.json().utf8))))
    guard (200..<300).contains(response.status) else { throw Failed(String(decoding: response.body, as: UTF8.self)) }
    return try Value(json: response.body)
  }

  /// A job of one script, by its name.
  func job(_ name: String, _ script: String) async throws {
    let file = root.appending(path: "\(name)/run.sh")
    try write(script, to: "\(name)/run.sh")
    chmod(file.path, 0o755)
    let process = spawn(
      CommandLine.arguments[0].split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        + "/lunaport",
      ["job", "create", "code", file.path, "--project", "bench", "--name", name], output: open("/dev/null", O_WRONLY))
    wait(process)
  }

  func count(_ state: VisibleState) async throws -> Int {
    try await client.queue(entity: "default", name: "bench").counts[state.rawValue] ?? 0
  }
}

struct Failed: Error {
  var text: String
  init(_ text: String) { self.text = text }
}

extension String {
  func trimmingCharacters() -> String { String(filter { !$0.isWhitespace }) }
}

try write("queue \"bench\" {\n  target = \"process\",\n}\n", to: "queues.d/bench.lua")
let up = try Up()
defer {
  kill(up.process, SIGTERM)
  wait(up.process)
  try? FileManager.default.removeItem(at: root)
}
setenv("LUNAPORT_URL", up.url, 1)
setenv("LUNAPORT_API_KEY", up.key, 1)
try await up.job("stamp", "#!/bin/sh\nexec date +%s.%N\n")
try await up.job("noop", "#!/bin/true\n")

// Latency: the program prints when it began.
var waits: [Double] = []
for index in 0..<latencies + 10 {
  let begin = now()
  let run = try await up.client.submit(Submission(job: "stamp", queue: "bench", project: "bench")).run
  var log = ""
  while !log.hasSuffix("\n") {
    let view = try await up.client.run(run.id)
    if view.state == .finished || view.state == .failed || view.state == .crashed {
      log = try await up.text(ofRun: run.id)
      break
    }
    try await Task.sleep(for: .milliseconds(2))
  }
  // The first ones warm everything up.
  if index >= 10, let began = Double(log.trimmingCharacters()) { waits.append((began - begin) * 1_000) }
}
print("submit to program started, idle queue, \(waits.count) runs:")
print("  p50 \(shown(percentile(waits, 0.5))) ms, p99 \(shown(percentile(waits, 0.99))) ms")

// Throughput, and what the machine can do at most: the same program, in the locale that runs get.
setenv("LANG", "C.UTF-8", 1)
let program = root.appending(path: "noop/run.sh").path
let bareBegin = now()
for _ in 0..<runs { wait(spawn(program, [])) }
let bare = Double(runs) / (now() - bareBegin)

let before = try await up.count(.finished)
let begin = now()
let submission: Value = ["job": "noop", "queue": "bench", "project": "bench"]
for start in stride(from: 0, to: runs, by: 500) {
  _ = try await up.post("/api/v1/runs", .array(Array(repeating: submission, count: min(500, runs - start))))
}
while try await up.count(.finished) - before < runs { try await Task.sleep(for: .milliseconds(20)) }
let durable = Double(runs) / (now() - begin)
print("no-op runs, durable, end to end: \(shown(durable)) a second")
print("bare spawn-and-wait loop:        \(shown(bare)) a second")
print("ratio: \(((durable / bare) * 100).rounded() / 100)")

extension Up {
  func text(ofRun id: String) async throws -> String {
    var headers = HTTPHeaders()
    headers.add("Authorization", "Bearer \(key)")
    let response = try await http.send(HTTPClient.Request(.get, "\(url)/api/v1/runs/\(id)/log", headers: headers))
    return String(decoding: response.body, as: UTF8.self)
  }
}
