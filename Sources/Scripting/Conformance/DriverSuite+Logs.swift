import Model

extension DriverSuite {
  /// Lines of the large output: 3 MB in all.
  private static let lineCount = 32_000
  /// Bytes of a line without an end; targets cut long lines at 16 KiB and the driver has to mend that.
  private static let longLine = 100_000
  /// Bytes of one answer; what is larger is held in memory in several places at a time.
  private static let chunkMax = 1 << 20

  var logCases: [Case] {
    [
      Case("logs come whole, and can be resumed at every cursor", .logs) {
        try await comes(.finish("0123456789abcdefghijklmnopqrstuvwxyz"), "logs", "0123456789abcdefghijklmnopqrstuvwxyz")
      },
      Case("3 MB of lines come whole, and every cursor gives the same rest", .logs) {
        try await comes(.lines(Self.lineCount), "loglines", SuiteProgram.linesText(Self.lineCount))
      },
      Case("a line of 100 KB without an end comes whole", .logs) {
        try await comes(.longLine(Self.longLine), "loglong", String(repeating: "0", count: Self.longLine))
      },
      Case("bytes that are no UTF-8 spoil nothing around them", .logs, noText),
      Case("output is read in pieces while the program runs, without loss or repeat", .logs, inPieces),
      Case("the log of a program that prints nothing ends", .logs) { try await comes(.finish(""), "logempty", "") },
      Case("a program gets its variables as they are", .logs) {
        try await comes(.variable("SUITE"), "logvariable", Self.variable)
      },
    ]
  }

  /// What a log gave, and where it stood when: cursors with the bytes that came before them.
  struct Reading {
    var bytes: [UInt8] = []
    var marks: [(cursor: Value, offset: Int)] = []
  }

  /// Reads to the end.
  func read(_ handle: Value, from cursor: Value? = nil, with driver: (any Driver)? = nil) async throws -> Reading {
    let driver = driver ?? self.driver
    var reading = Reading()
    var cursor = cursor
    let end = ContinuousClock.now + .seconds(patience)
    while ContinuousClock.now < end {
      let chunk = try await driver.logs(handle, cursor: cursor)
      try expect(chunk.bytes.count <= Self.chunkMax, "one call gave \(chunk.bytes.count) bytes")
      reading.bytes += chunk.bytes
      // As the agent keeps it between two of its lives.
      let kept = try Value(json: chunk.cursor.json())
      cursor = kept.isNull ? cursor : kept
      if chunk.isEnd { return reading }
      if chunk.bytes.isEmpty { await pause() } else { reading.marks.append((chunk.cursor, reading.bytes.count)) }
    }
    throw Violation(text: "the log does not end; it has \(reading.bytes.count) bytes")
  }

  /// Waits until a running program has printed something.
  func printed(_ handle: Value, _ text: String) async throws {
    var bytes: [UInt8] = []
    var cursor: Value?
    let end = ContinuousClock.now + .seconds(patience)
    while ContinuousClock.now < end {
      let chunk = try await driver.logs(handle, cursor: cursor)
      bytes += chunk.bytes
      cursor = chunk.cursor.isNull ? cursor : chunk.cursor
      if String(decoding: bytes, as: UTF8.self).contains(text) { return }
      if chunk.isEnd { break }
      await pause()
    }
    throw Violation(text: "it never printed \(text)")
  }

  private func comes(_ program: SuiteProgram, _ name: String, _ text: String) async throws {
    let handle = try await start(program, name)
    _ = try await settled(handle)
    let reading = try await read(handle)
    try same(reading.bytes, Array(text.utf8), "the log")
    try await resumes(handle, reading)
    try await forget(handle)
  }

  /// Every cursor gives the same rest, to a driver that has just been loaded too.
  private func resumes(_ handle: Value, _ reading: Reading) async throws {
    let later = try await reborn()
    let step = max(1, reading.marks.count / 5)
    for index in stride(from: 0, to: reading.marks.count, by: step) {
      let mark = reading.marks[index]
      let rest = try await read(handle, from: mark.cursor, with: later)
      try same(rest.bytes, Array(reading.bytes[mark.offset...]), "resumed after \(mark.offset) bytes, the log")
    }
  }

  private func noText() async throws {
    let handle = try await start(.bytes, "logbytes")
    _ = try await settled(handle)
    let reading = try await read(handle)
    let raw = Array("before".utf8) + [0xff, 0xfe] + Array("after\n".utf8)
    // Some targets keep text only; they put U+FFFD for each byte that is none.
    let mended = Array(String(decoding: raw, as: UTF8.self).utf8)
    if reading.bytes != mended { try same(reading.bytes, raw, "the log") }
    try await resumes(handle, reading)
    try await forget(handle)
  }

  private func inPieces() async throws {
    let count = 10
    let handle = try await start(.pieces(count), "logpieces")
    let reading = try await read(handle)
    let text = (0..<count).map { "piece \($0)\n" }.joined()
    try same(reading.bytes, Array(text.utf8), "the log")
    try expect(reading.marks.count > 1, "all of it came at the end, in one piece")
    try await resumes(handle, reading)
    try await forget(handle)
  }

  private func same(_ bytes: [UInt8], _ wanted: [UInt8], _ what: String) throws(Violation) {
    // So do the mock's programs.
    let endsLines = fixture.keepsLines || fixture.programs != nil
    if bytes == wanted || (endsLines && bytes == wanted + [10]) { return }
    let at = zip(bytes, wanted).enumerated().first { $1.0 != $1.1 }?.offset ?? min(bytes.count, wanted.count)
    let there = String(decoding: bytes.dropFirst(max(0, at - 20)).prefix(60), as: UTF8.self)
    throw Violation(
      text: "\(what) has \(bytes.count) bytes, not \(wanted.count); it differs from byte \(at) on: "
        + there.debugDescription)
  }
}
