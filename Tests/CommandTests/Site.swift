import Glibc
import Model

@testable import lunaport

/// `lunaport up` on folders of its own, and commands that talk to it.
final class Site {
  static let lunaport = Child.built + "/lunaport"
  /// The repository that these tests belong to.
  static let repository = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(
    separator: "/")

  let folder = TestFolder()
  private(set) var url = ""
  private var server: pid_t = 0
  private var log = Child.memoryFile()
  private var others: [pid_t] = []

  var data: String { folder.path + "/data" }
  var queues: String { folder.path + "/queues.d" }
  /// What the server and the agent wrote on standard error so far.
  var serverLog: String { Child.text(log) }

  struct NotReady: Error { var log: String }

  init() throws {
    try folder.write("queues.d/local.lua", #"queue "local" { target = "process", priorities = true }"#)
  }

  /// Starts the server, and returns once it says that it serves.
  func up(_ words: String..., listen: String = "127.0.0.1:0", plugins: String = repository + "/plugins") throws {
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    server = try Child.start(
      [
        Self.lunaport, "up", "--data", data, "--listen", listen, "--queues", queues, "--plugins", plugins,
      ]
        + words, output: ends[1], errors: log)
    close(ends[1])
    defer { close(ends[0]) }
    let line = Self.line(from: ends[0])
    guard line.hasPrefix("ready http://") else { throw NotReady(log: line + serverLog) }
    url = String(line.dropFirst("ready ".count))
  }

  /// Ends the server with a signal, and gives its exit code.
  func down(_ signal: Int32 = SIGTERM) -> Int32 {
    guard server > 0 else { return -1 }
    kill(server, signal)
    var status: Int32 = 0
    while waitpid(server, &status, 0) < 0, errno == EINTR {}
    server = 0
    return Child.exitCode(status)
  }

  deinit {
    _ = down(SIGKILL)
    for child in others {
      kill(child, SIGKILL)
      waitpid(child, nil, 0)
    }
    // Runs outlive their agent; those of a test must not outlive the test.
    for child in held() { kill(child, SIGKILL) }
    close(log)
  }

  /// Processes that an agent of this site holds, by the mark in their environment.
  private func held() -> [pid_t] {
    guard let stream = opendir("/proc") else { return [] }
    defer { closedir(stream) }
    var found: [pid_t] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let child = pid_t(name), let bytes = try? LocalFile.read("/proc/\(name)/environ") else { continue }
      if String(decoding: bytes, as: UTF8.self).contains("LUNAPORT_HELD=\(folder.path)/") { found.append(child) }
    }
    return found
  }

  private var environment: [String: String] {
    let key = (try? Child.run(["cat", data + "/admin.key"]).output.filter { !$0.isWhitespace }) ?? ""
    return ["LUNAPORT_URL": url, "LUNAPORT_API_KEY": key, "HOME": folder.path]
  }

  func run(_ words: String...) throws -> Child.Ended { try run(words) }

  func run(_ words: [String]) throws -> Child.Ended {
    try Child.run([Self.lunaport] + words, environment: environment)
  }

  /// Starts a command that goes on beside the test.
  func start(_ words: String..., output: Int32, errors: Int32) throws -> pid_t {
    let child = try Child.start([Self.lunaport] + words, environment: environment, output: output, errors: errors)
    others.append(child)
    return child
  }

  /// The JSON that a command prints.
  func json(allowing code: Int32 = 0, _ words: String...) throws -> Value {
    let ended = try Child.run([Self.lunaport] + words + ["--json"], environment: environment)
    guard ended.code == 0 || ended.code == code else { throw NotReady(log: ended.errors) }
    return try Value(json: ended.output)
  }

  /// Makes a job of a shell script, and gives its name.
  func job(_ name: String, _ script: String) throws {
    let path = try folder.write("\(name)/run.sh", "#!/bin/sh\n\(script)\n", executable: true)
    let ended = try run("job", "create", "code", path, "--project", "demo", "--name", name)
    guard ended.code == 0 else { throw NotReady(log: ended.errors) }
  }

  /// A named pipe: a job writes a word into it, and the test waits for that.
  func doorbell(_ name: String) -> String {
    let path = "\(folder.path)/\(name)"
    mkfifo(path, 0o600)
    return path
  }

  /// Waits until somebody has rung.
  static func await(_ doorbell: String) -> String {
    let descriptor = open(doorbell, O_RDONLY)
    defer { close(descriptor) }
    return line(from: descriptor)
  }

  /// The first line that comes, without its end.
  static func line(from descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var byte: UInt8 = 0
    while Glibc.read(descriptor, &byte, 1) == 1, byte != UInt8(ascii: "\n") { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Ends a child that was started, and gives its exit code.
  func end(_ child: pid_t, _ signal: Int32?) -> Int32 {
    if let signal { kill(child, signal) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    others.removeAll { $0 == child }
    return Child.exitCode(status)
  }
}
