// What agents and the server say to each other at every step of every run.

extension Holding: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("run", run)
      writer.field("attempt", attempt)
      writer.field("epoch", epoch)
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var run: String?
    var attempt: Int?
    var epoch: Int64?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "run": run = try reader.string()
      case "attempt": attempt = try reader.number()
      case "epoch": epoch = try reader.int()
      default: _ = try reader.value()
      }
    }
    self.init(
      run: try reader.need(run, "run"), attempt: try reader.need(attempt, "attempt"),
      epoch: try reader.need(epoch, "epoch"))
  }
}

extension LeaseRequest: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("room", room)
      writer.field("wait", wait)
      writer.field("seen", seen)
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var room: Int?
    var wait: Double?
    var seen: Int64?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "room": room = try reader.number()
      case "wait": wait = try reader.double()
      case "seen": seen = try reader.int()
      default: _ = try reader.value()
      }
    }
    self.init(
      room: try reader.need(room, "room"), wait: try reader.need(wait, "wait"), seen: try reader.need(seen, "seen"))
  }
}

extension LeaseAnswer: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("leases")
      writer.array(leases) { $1.write(to: &$0) }
      writer.key("stops")
      writer.array(stops) { $1.write(to: &$0) }
      writer.field("drain", drain)
      writer.field("seen", seen)
      writer.key("notes")
      writer.array(notes) { $0.string($1) }
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var leases: [Lease]?
    var stops: [Holding]?
    var drain: Bool?
    var seen: Int64?
    var notes: [String]?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "leases": leases = try reader.array { (reader) throws(JSONError) in try Lease(from: &reader) }
      case "stops": stops = try reader.array { (reader) throws(JSONError) in try Holding(from: &reader) }
      case "drain": drain = try reader.bool()
      case "seen": seen = try reader.int()
      case "notes": notes = try reader.strings()
      default: _ = try reader.value()
      }
    }
    self.init(
      leases: try reader.need(leases, "leases"), stops: try reader.need(stops, "stops"),
      drain: try reader.need(drain, "drain"), seen: try reader.need(seen, "seen"),
      notes: try reader.need(notes, "notes"))
  }
}

extension Lease: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("run", run)
      writer.field("name", name)
      writer.field("entity", entity)
      writer.field("project", project)
      writer.field("queue", queue)
      writer.field("author", author)
      writer.field("attempt", attempt)
      writer.field("epoch", epoch)
      writer.field("seconds", seconds)
      writer.key("spec")
      spec.write(to: &writer)
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var texts: [String: String] = [:]
    var attempt: Int?
    var epoch: Int64?
    var seconds: Double?
    var spec: RunSpec?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "run", "name", "entity", "project", "queue", "author": texts[key] = try reader.string()
      case "attempt": attempt = try reader.number()
      case "epoch": epoch = try reader.int()
      case "seconds": seconds = try reader.double()
      case "spec": spec = try RunSpec(from: &reader)
      default: _ = try reader.value()
      }
    }
    run = try reader.need(texts["run"], "run")
    name = try reader.need(texts["name"], "name")
    entity = try reader.need(texts["entity"], "entity")
    project = try reader.need(texts["project"], "project")
    queue = try reader.need(texts["queue"], "queue")
    author = try reader.need(texts["author"], "author")
    self.attempt = try reader.need(attempt, "attempt")
    self.epoch = try reader.need(epoch, "epoch")
    self.seconds = try reader.need(seconds, "seconds")
    self.spec = try reader.need(spec, "spec")
  }
}

extension AgentReport: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("holding")
      writer.array(holding) { $1.write(to: &$0) }
      writer.key("updates")
      writer.array(updates) { $1.write(to: &$0) }
      writer.key("samples")
      writer.array(samples) { $1.write(to: &$0) }
      // Rare, so that it is worth no code of its own; its numbers and texts always encode.
      if let offer = try? offer.map({ try Value(encoding: $0) }) {
        writer.key("offer")
        writer.value(offer)
      }
      writer.field("draining", draining)
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var holding: [Holding]?
    var updates: [RunUpdate]?
    var samples: [Sample]?
    var offer: Offer?
    var draining: Bool?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "holding": holding = try reader.array { (reader) throws(JSONError) in try Holding(from: &reader) }
      case "updates": updates = try reader.array { (reader) throws(JSONError) in try RunUpdate(from: &reader) }
      case "samples": samples = try reader.array { (reader) throws(JSONError) in try Sample(from: &reader) }
      case "offer":
        let value = try reader.value()
        if value.isNull { return }
        do { offer = try value.decode(Offer.self) } catch { throw reader.failure("no offer is before this: \(error)") }
      case "draining": draining = try reader.bool()
      default: _ = try reader.value()
      }
    }
    self.init(
      holding: try reader.need(holding, "holding"), updates: try reader.need(updates, "updates"),
      samples: try reader.need(samples, "samples"), offer: offer, draining: try reader.need(draining, "draining"))
  }
}

extension Sample: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("run", run)
      writer.field("at", at)
      writer.optional("cpu", cpu) { $0.double($1) }
      writer.optional("memory", memory) { $0.int($1) }
      writer.optional("gpu", gpu) { $0.double($1) }
      writer.optional("gpu_memory", gpuMemory) { $0.int($1) }
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var run: String?
    var at: Double?
    var sample = Sample(run: "", at: 0)
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "run": run = try reader.string()
      case "at": at = try reader.double()
      case "cpu": sample.cpu = try reader.optional { (reader) throws(JSONError) in try reader.double() }
      case "memory": sample.memory = try reader.optional { (reader) throws(JSONError) in try reader.int() }
      case "gpu": sample.gpu = try reader.optional { (reader) throws(JSONError) in try reader.double() }
      case "gpu_memory": sample.gpuMemory = try reader.optional { (reader) throws(JSONError) in try reader.int() }
      default: _ = try reader.value()
      }
    }
    sample.run = try reader.need(run, "run")
    sample.at = try reader.need(at, "at")
    self = sample
  }
}

extension RunUpdate: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("holding")
      holding.write(to: &writer)
      writer.optional("state", state?.rawValue) { $0.string($1) }
      writer.optional("ending", ending) { $1.write(to: &$0) }
      writer.optional("message", message) { $0.string($1) }
      writer.field("at", at)
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var holding: Holding?
    var state: RunState?
    var ending: Ending?
    var message: String?
    var at: Double?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "holding": holding = try Holding(from: &reader)
      case "state": state = try reader.optional { (reader) throws(JSONError) in try reader.choice() }
      case "ending": ending = try reader.optional { (reader) throws(JSONError) in try Ending(from: &reader) }
      case "message": message = try reader.optionalString()
      case "at": at = try reader.double()
      default: _ = try reader.value()
      }
    }
    self.init(
      try reader.need(holding, "holding"), state: state, ending: ending, message: message, at: try reader.need(at, "at")
    )
  }
}

extension Ending: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("state", state.rawValue)
      writer.field("reason", reason.rawValue)
      writer.optional("signal", signal) { $0.int(Int64($1)) }
      writer.optional("message", message) { $0.string($1) }
      writer.optional("exit_code", exitCode) { $0.int(Int64($1)) }
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var state: RunState?
    var reason: Reason?
    var exitCode: Int?
    var signal: Int?
    var message: String?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "state": state = try reader.choice()
      case "reason": reason = try reader.choice()
      case "signal": signal = try reader.optional { (reader) throws(JSONError) in try reader.number() }
      case "message": message = try reader.optionalString()
      case "exit_code": exitCode = try reader.optional { (reader) throws(JSONError) in try reader.number() }
      default: _ = try reader.value()
      }
    }
    self.init(
      try reader.need(state, "state"), try reader.need(reason, "reason"), exitCode: exitCode, signal: signal,
      message: message)
  }
}

extension AgentReceipt: DirectJSON {
  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.key("refusals")
      writer.array(refusals) { writer, refusal in
        // Rare; its numbers and words always encode.
        writer.value((try? refusal.map { try Value(encoding: $0) }) ?? .null)
      }
      writer.key("gone")
      writer.array(gone) { $1.write(to: &$0) }
    }
  }

  public init(from reader: inout JSONReader) throws(JSONError) {
    var refusals: [RunRefusal?]?
    var gone: [Holding]?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "refusals":
        refusals = try reader.array { (reader) throws(JSONError) in
          let value = try reader.value()
          if value.isNull { return nil }
          do { return try value.decode(RunRefusal.self) } catch {
            throw reader.failure("no refusal is before this: \(error)")
          }
        }
      case "gone": gone = try reader.array { (reader) throws(JSONError) in try Holding(from: &reader) }
      default: _ = try reader.value()
      }
    }
    self.init(refusals: try reader.need(refusals, "refusals"), gone: try reader.need(gone, "gone"))
  }
}

extension JSONWriter {
  public mutating func field(_ key: String, _ number: Int) {
    self.key(key)
    int(Int64(number))
  }

  public mutating func field(_ key: String, _ number: Int64) {
    self.key(key)
    int(number)
  }

  public mutating func field(_ key: String, _ number: Double) {
    self.key(key)
    double(number)
  }

  public mutating func field(_ key: String, _ flag: Bool) {
    self.key(key)
    bool(flag)
  }
}

extension JSONReader {
  /// One of a set of words.
  public mutating func choice<T: RawRepresentable<String>>() throws(JSONError) -> T {
    let word = try string()
    guard let value = T(rawValue: word) else { throw failure("`\(word)` is none of the words that may be here") }
    return value
  }
}
