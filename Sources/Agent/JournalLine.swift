import Model

/// One record of the journal.
struct JournalLine: Hashable {
  var token: String
  /// Only in an attempt's first line: it never changes.
  var lease: Lease?
  /// nil: the attempt is over and done with.
  var progress: Progress?
}

extension JournalLine: DirectJSON {
  func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("token", token)
      writer.optional("lease", lease) { $1.write(to: &$0) }
      writer.optional("progress", progress) { $1.write(to: &$0) }
    }
  }

  init(from reader: inout JSONReader) throws(JSONError) {
    var token: String?
    var lease: Lease?
    var progress: Progress?
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "token": token = try reader.string()
      case "lease": lease = try reader.optional { (reader) throws(JSONError) in try Lease(from: &reader) }
      case "progress": progress = try reader.optional { (reader) throws(JSONError) in try Progress(from: &reader) }
      default: _ = try reader.value()
      }
    }
    self.init(token: try reader.need(token, "token"), lease: lease, progress: progress)
  }
}

extension Progress: DirectJSON {
  func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.field("intent", intent)
      writer.optional("handle", handle) { $0.value($1) }
      writer.optional("handleVersion", handleVersion) { $0.int(Int64($1)) }
      writer.field("wasRunning", wasRunning)
      writer.optional("startedAt", startedAt) { $0.double($1) }
      writer.optional("cursor", cursor) { $0.value($1) }
      writer.field("sent", sent)
      writer.optional("stop", stop?.rawValue) { $0.string($1) }
      writer.optional("ending", ending) { $1.write(to: &$0) }
      writer.optional("endedAt", endedAt) { $0.double($1) }
    }
  }

  init(from reader: inout JSONReader) throws(JSONError) {
    var progress = Progress()
    try reader.object { (reader, key) throws(JSONError) in
      switch key {
      case "intent": progress.intent = try reader.bool()
      case "handle": progress.handle = try reader.optional { (reader) throws(JSONError) in try reader.value() }
      case "handleVersion":
        progress.handleVersion = try reader.optional { (reader) throws(JSONError) in try reader.number() }
      case "wasRunning": progress.wasRunning = try reader.bool()
      case "startedAt": progress.startedAt = try reader.optional { (reader) throws(JSONError) in try reader.double() }
      case "cursor": progress.cursor = try reader.optional { (reader) throws(JSONError) in try reader.value() }
      case "sent": progress.sent = try reader.int()
      case "stop": progress.stop = try reader.optional { (reader) throws(JSONError) in try reader.choice() }
      case "ending": progress.ending = try reader.optional { (reader) throws(JSONError) in try Ending(from: &reader) }
      case "endedAt": progress.endedAt = try reader.optional { (reader) throws(JSONError) in try reader.double() }
      default: _ = try reader.value()
      }
    }
    self = progress
  }
}
