import Lua
import Model

/// Runs declaration files in the load sandbox and gives what they declare. One state serves all files of a
/// configuration; each file has an environment of its own, so that none can change another.
final class DeclarationReader {
  /// What one file gave.
  struct Result {
    var declarations: [Declaration] = []
    var diagnostics: [Diagnostic] = []
  }

  /// One file is read within these: generous for what people write, small against what would be felt. Instructions are
  /// what ends a loop without an end, on every machine after the same number; the time is for what they do not count.
  static let limits = LuaLimits(memoryBytes: 128 << 20, instructions: 20_000_000, seconds: 5)

  /// What `declare` adds to while a file runs.
  private final class Collector {
    /// Values that the file may still declare. They are copied out of Lua, whose memory is bounded; a loop that declares
    /// one large table again and again would fill the host's.
    var room = LuaTreeLimits.standard.nodes
    var found: [(word: String, name: LuaTree, body: LuaTree, line: Int?)] = []
    var failures: [(word: String, message: String, line: Int?)] = []
  }

  private let collector = Collector()
  private var prepared: (state: LuaState, setup: LuaReference)?

  init() {}

  func read(_ file: SourceFile) -> Result {
    var result = Result()
    collector.found = []
    collector.failures = []
    collector.room = LuaTreeLimits.standard.nodes
    do throws(LuaError) {
      let (state, setup) = try prepare()
      let environment = try state.environment(setup: setup)
      _ = try state.evaluate(file.text, chunk: "@" + file.name, environment: environment)
    } catch {
      result.diagnostics.append(Self.diagnostic(error, file.name))
      // A file that broke off may have left its state full; the next file gets a fresh one.
      if error.kind == .memory { prepared = nil }
    }
    let map = SourceMap(file: file.name, source: file.text)
    for failure in collector.failures {
      let place = map.declaration(failure.word, name: nil, near: failure.line ?? 1)?.place
      result.diagnostics.append(
        Diagnostic(
          "C0007", failure.message, at: place ?? Place(file: file.name, line: failure.line ?? 1),
          help: "write \(failure.word) \"name\" { ... }"))
    }
    for found in collector.found {
      guard case .table(let body) = found.body else { continue }
      let name = found.name.string
      let written = map.declaration(found.word, name: name, near: found.line ?? .max)
      result.declarations.append(
        Declaration(
          word: found.word, name: name, body: body, file: file.name, line: found.line ?? written?.place.line ?? 1,
          written: written))
    }
    return result
  }

  private func prepare() throws(LuaError) -> (state: LuaState, setup: LuaReference) {
    if let prepared { return prepared }
    let state = try LuaState(sandbox: .load, limits: Self.limits)
    let collector = collector
    let declare = state.function { (call: borrowing LuaCall) -> [LuaValue] in
      let word = try call.string(1)
      // The words are closures of the prelude; the file is the first chunk above it.
      var line: Int?
      for level in 1...3 where line == nil {
        if let position = call.position(level: level), position.chunk != "prelude" { line = position.line }
      }
      if case .table = call.kind(3) {
        do {
          let body = try call.tree(3, LuaTreeLimits(nodes: collector.room))
          collector.room -= body.size
          collector.found.append((word, try call.tree(2), body, line))
        } catch let error as LuaError {
          collector.failures.append((word, "this \(word) cannot be read: \(error.message)", line))
        }
      } else {
        collector.failures.append((word, "this \(word) has no table behind it", line))
      }
      return []
    }
    let base = try state.environment(globals: ["declare": .reference(declare)])
    let results = try state.evaluate(Vocabulary.prelude, chunk: "=prelude", environment: base)
    guard let setup = results.first else { throw LuaError(.runtime, "the prelude answers nothing") }
    prepared = (state, setup)
    return (state, setup)
  }

  /// An error of Lua, in the words of `check`.
  static func diagnostic(_ error: LuaError, _ file: String, code: String? = nil) -> Diagnostic {
    let isHere = error.chunk == file
    let place = Place(file: file, line: isHere ? error.line ?? 1 : 1)
    switch error.kind {
    case .syntax: return Diagnostic(code ?? "C0001", "the file is not valid Lua", at: place, label: error.message)
    case .memory:
      return Diagnostic(
        code ?? "C0003", "reading the file used up its \(limits.memoryBytes >> 20) MiB of memory", at: place)
    case .instructions, .time:
      return Diagnostic(
        code ?? "C0003", "reading the file used up its budget", at: place, label: "it was here when it was stopped",
        help: "declaration files only compute; look for a loop without an end")
    default:
      var diagnostic = Diagnostic(
        code ?? "C0002", "the file raised an error while it was read", at: place, label: error.message)
      let frames = error.traceback.filter { $0.chunk != "[C]" && $0.chunk != "prelude" }
      if frames.count > 1 { diagnostic.notes = ["called from:"] + frames.dropFirst().map(\.description) }
      if let name = global(in: error.message) {
        if let near = closest(to: name, among: Vocabulary.words) {
          diagnostic.help = "did you mean `\(near)`?"
        } else if ["io", "os", "require", "dofile", "loadfile", "print", "debug", "package"].contains(name) {
          diagnostic.help = "`\(name)` is not there: declaration files only compute"
        }
      }
      return diagnostic
    }
  }

  /// `queu` of "attempt to call a nil value (global 'queu')".
  private static func global(in message: String) -> String? {
    let parts = message.split(separator: "'", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts[0].hasSuffix("(global ") else { return nil }
    return String(parts[1])
  }
}

extension LuaTree {
  /// Values in it, itself counted.
  fileprivate var size: Int {
    guard case .table(let table) = self else { return 1 }
    return table.items.reduce(1) { $0 + $1.size } + table.fields.values.reduce(0) { $0 + $1.size }
  }
}
