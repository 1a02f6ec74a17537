import Model
import Scripting

extension Queue {
  /// The queue in the words of its file, with what it takes from a shared config written out and its driver's defaults
  /// left out: what `export` writes and what a queue made through the API is told.
  public var settings: [String: Value] {
    var out: [String: Value] = ["target": .string(target)]
    out["builder"] = builder.map(Value.string)
    let requires = needs.filter { $0.why == Queue.requiredWhy }.compactMap { need -> Value? in
      if case .capability(let capability, _) = need.kind { .string(capability.rawValue) } else { nil }
    }
    if !requires.isEmpty { out["requires"] = .array(requires) }
    if priorities { out["priorities"] = true }
    out["concurrency"] = concurrency.map { .int(Int64($0)) }
    if retry.max > 0 {
      out["retry"] = [
        "max": .int(Int64(retry.max)), "on": .array(retry.on.map(\.rawValue).sorted().map(Value.string)),
        "delay": Queue.duration(retry.delay), "delay_max": Queue.duration(retry.delayMax),
      ]
    }
    out["timeout"] = timeout.map(Queue.duration)
    out["queue_timeout"] = queueTimeout.map(Queue.duration)
    out["grace"] = Queue.duration(grace)
    switch override {
    case .any: out["override"] = "any"
    case .none: out["override"] = "none"
    case .only(let names): out["override"] = .array(names.map(Value.string))
    case .variables: break
    }
    if !links.isEmpty {
      out["links"] = .array(links.map { ["label": .string($0.label), "url": .string($0.url)] })
    }
    if !hooks.isEmpty { out["hooks"] = .array(hooks.map(Value.string)) }
    if let resource = resource.written { out["resource"] = resource }
    return out
  }

  /// What the configuration gives as the reason of a need that `requires` names.
  private static let requiredWhy = "the queue requires it"

  private static func duration(_ seconds: Double) -> Value {
    let text = Quantity.text(seconds: seconds)
    return Quantity.seconds(text) == seconds ? .string(text) : .double(seconds)
  }
}

extension Node {
  /// What people wrote of this document, holes and secrets as JSON says them; nil where all of it is a driver's default.
  fileprivate var written: Value? {
    if case .driver = origin.author { return nil }
    switch self {
    case .leaf(let value, _): return value
    case .secret(let name, _): return .object([Node.secretKey: .string(name)])
    case .hole(let hole, _): return VariableDocument(hole).value
    case .list(let items, _): return .array(items.compactMap(\.written))
    case .table(let fields, _): return .object(fields.compactMapValues(\.written))
    }
  }
}
