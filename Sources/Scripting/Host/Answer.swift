import Lua
import Model

/// Reads what a plugin's function returned. What does not fit its contract is a bug of the plugin, told with the
/// function's name and the part that is wrong.
struct Answer {
  /// `driver.poll of plugin slurm`
  let function: String
  let results: [LuaTree]

  /// The first result, unless the function answered `nil, fail { ... }`.
  func first() throws(DriverFailure) -> LuaTree {
    let value = results.first ?? .nothing
    // A second nil is no failure: `return answer, failure` of a call that found nothing.
    if value == .nothing, results.count > 1, results[1] != .nothing { throw failure(results[1]) }
    if case .table(let table) = value, table.tag == "fail" {
      throw bug("returned a failure as its first result; write `return nil, fail { ... }`")
    }
    return value
  }

  /// The first result, of a function that must answer `what` where it does not fail.
  func required(_ what: String) throws(DriverFailure) -> LuaTree {
    let value = try first()
    guard value == .nothing else { return value }
    throw bug(
      "returned nothing, where it must return \(what)",
      hint: "where it cannot, write `return nil, fail { code = ..., message = ... }`")
  }

  func bug(_ message: String, hint: String? = nil) -> DriverFailure {
    DriverFailure(.bug, "\(function) \(message)", hint: hint)
  }

  private func failure(_ tree: LuaTree) -> DriverFailure {
    guard case .table(let table) = tree, table.tag == "fail" else {
      if case .string(let text) = tree {
        return bug(
          "returned nil and the text \"\(text.prefix(200))\"; write `return nil, fail { code = ..., message = ... }`")
      }
      return bug("returned nil and something that is no failure; write `return nil, fail { ... }`")
    }
    guard let name = table.fields["code"]?.text, let code = DriverFailure.Code(rawValue: name) else {
      let codes = DriverFailure.Code.allCases.map(\.rawValue).joined(separator: ", ")
      return bug("returned a failure without a code of: \(codes)")
    }
    var retry = DriverFailure.Retry.never
    switch table.fields["retry"] {
    case .string("safe")?: retry = .safe
    case .string("unknown_effect")?: retry = .unknownEffect
    case let tree?: if let seconds = tree.real, seconds >= 0, seconds.isFinite { retry = .after(seconds) }
    case nil: break
    }
    return DriverFailure(
      code, table.fields["message"]?.text ?? name, hint: table.fields["hint"]?.text,
      detail: table.fields["detail"]?.text, retry: retry)
  }

  /// The first result as a document; nothing is null.
  func document() throws(DriverFailure) -> Value { try value(try first(), "its result") }

  /// The first result as the document of `what`.
  func document(of what: String) throws(DriverFailure) -> Value { try value(try required(what), "its result") }

  func value(_ tree: LuaTree, _ what: String) throws(DriverFailure) -> Value {
    switch tree.document() {
    case .success(let value): return value
    case .failure(let problem): throw bug("returned in \(what) \(problem.text)")
    }
  }

  func probe() -> Probe {
    do throws(DriverFailure) {
      guard case .table(let table) = try first(),
        let health = table.fields["health"]?.text.flatMap(Probe.Health.init(rawValue:))
      else { throw bug("returned no { health = \"healthy\", \"unhealthy\" or \"undetected\", detail = ... }") }
      let attributes = try value(table.fields["attributes"] ?? .nothing, "attributes").objectValue ?? [:]
      let lacks = (table.fields["lacks"]?.table?.items ?? []).compactMap(\.string).map { Capability($0) }
      return Probe(
        health, detail: table.fields["detail"]?.text ?? "", attributes: attributes, lacks: Set(lacks))
    } catch {
      return Probe(.unhealthy, detail: error.message)
    }
  }

  /// One row a handle, in order.
  func observations(count: Int) throws(DriverFailure) -> [Observation] {
    var found: [Observation] = []
    for row in try rows(count: count) {
      guard let row, let name = row.fields["state"]?.text, let state = Observation.State(rawValue: name) else {
        let states = Observation.State.allCases.map(\.rawValue).joined(separator: ", ")
        throw bug("returned a row without a state of: \(states)")
      }
      found.append(
        Observation(
          state, exitCode: row.fields["exit_code"]?.whole.map(Int.init(clamping:)),
          signal: row.fields["signal"]?.whole.map(Int.init(clamping:)),
          outOfMemory: row.fields["out_of_memory"] == .boolean(true), message: row.fields["message"]?.text,
          native: row.fields["native"]?.text))
    }
    return found
  }

  /// One row a handle, in order; false stands for a row with nothing to say.
  func usages(count: Int) throws(DriverFailure) -> [Usage?] {
    try rows(count: count).map { row in
      row.map {
        Usage(
          cpu: $0.fields["cpu"]?.real, memory: $0.fields["memory"]?.whole, gpu: $0.fields["gpu"]?.real,
          gpuMemory: $0.fields["gpu_memory"]?.whole)
      }
    }
  }

  /// What `list` found.
  func listed() throws(DriverFailure) -> [Listed] {
    guard case .table(let list) = try required("a list of { token = ..., handle = ... }") else {
      throw bug("returned no list")
    }
    var found: [Listed] = []
    for item in list.items {
      guard case .table(let row) = item, let token = row.fields["token"]?.text, let handle = row.fields["handle"] else {
        throw bug("returned a row that is no { token = ..., handle = ... }")
      }
      found.append(Listed(token: token, handle: try value(handle, "handle")))
    }
    return found
  }

  private func rows(count: Int) throws(DriverFailure) -> [LuaTable?] {
    guard case .table(let list) = try required("a list with a row for each handle") else {
      throw bug("returned no list")
    }
    guard list.items.count == count else {
      throw bug("was given \(count) handles and returned \(list.items.count) rows; one row a handle is wanted")
    }
    return list.items.map { if case .table(let row) = $0 { row } else { nil } }
  }
}

extension LuaTree {
  var text: String? {
    switch self {
    case .string, .bytes: string
    case .integer(let number): String(number)
    case .number(let number): String(number)
    default: nil
    }
  }

  struct NoDocument: Error {
    var text: String
  }

  /// This tree as a document, or what in it no document can hold. An empty table is an empty table, not a list, unless
  /// it is marked as one.
  func document(_ path: Path = []) -> Result<Model.Value, NoDocument> {
    func no(_ what: String) -> Result<Model.Value, NoDocument> {
      .failure(NoDocument(text: path.isEmpty ? what : "`\(path.text)`, \(what)"))
    }
    switch self {
    case .nothing: return .success(.null)
    case .boolean(let flag): return .success(.bool(flag))
    case .integer(let number): return .success(.int(number))
    case .number(let number): return number.isFinite ? .success(.double(number)) : no("a number that JSON cannot say")
    case .string(let text): return .success(.string(text))
    case .bytes: return .success(.string(string ?? ""))
    case .function: return no("a function")
    case .other(let type): return no("a \(type)")
    case .table(let table):
      if table.tag == HostWords.nullTag { return .success(.null) }
      if let tag = table.tag, tag != HostWords.listTag { return no("a \(tag)") }
      if let odd = table.oddKeys.first { return no("the key \(odd)") }
      if !table.items.isEmpty && !table.fields.isEmpty { return no("a list and a table at once") }
      let isList = !table.items.isEmpty || (table.tag == HostWords.listTag && table.fields.isEmpty)
      return !isList ? LuaTree.document(table.fields, path) : LuaTree.document(table.items, path)
    }
  }

  private static func document(_ trees: [LuaTree], _ path: Path) -> Result<Model.Value, NoDocument> {
    var items: [Model.Value] = []
    for (index, item) in trees.enumerated() {
      switch item.document(path + [.index(index)]) {
      case .success(let value): items.append(value)
      case .failure(let problem): return .failure(problem)
      }
    }
    return .success(.array(items))
  }

  private static func document(_ trees: [String: LuaTree], _ path: Path) -> Result<Model.Value, NoDocument> {
    var fields: [String: Model.Value] = [:]
    for (key, item) in trees {
      switch item.document(path + [.key(key)]) {
      case .success(let value): fields[key] = value
      case .failure(let problem): return .failure(problem)
      }
    }
    return .success(.object(fields))
  }

  /// A document as Lua sees it: null is nothing, but a mark where it stands in a list, so that what follows is not lost;
  /// an empty list is marked, so that it does not come back as a table.
  init(_ value: Model.Value) {
    switch value {
    case .null: self = .nothing
    case .bool(let flag): self = .boolean(flag)
    case .int(let number): self = .integer(number)
    case .double(let number): self = .number(number)
    case .string(let text): self = .string(text)
    case .array(let items):
      let null = LuaTree.table(LuaTable(tag: HostWords.nullTag))
      self = .table(
        LuaTable(tag: items.isEmpty ? HostWords.listTag : nil, items: items.map { $0.isNull ? null : LuaTree($0) }))
    case .object(let fields): self = .table(LuaTable(fields: fields.mapValues(LuaTree.init)))
    }
  }
}
