// A run's spec in JSON, as `Codable` has it, only many times as fast: it is written at every enqueue and read at every
// lease. A test holds that either reads what the other wrote.

extension RunSpec: DirectJSON {
  /// This spec as JSON; the same spec always gives the same bytes.
  public func json() -> [UInt8] { JSON.bytes(of: self) }

  public func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.optional("job", job) { $0.write($1) }
      writer.key("source")
      writer.write(source)
      writer.key("overrides")
      writer.write(overrides)
      writer.field("target", target)
      writer.key("resource")
      writer.value(resource)
      writer.key("needs")
      writer.array(needs) { $0.write($1) }
      writer.optional("timeout", timeout) { $0.double($1) }
      writer.key("grace")
      writer.double(grace)
      writer.key("retries_lost")
      writer.bool(retriesLost)
      writer.key("generation")
      writer.int(Int64(generation))
    }
  }

  /// Reads what `json()` or `JSONEncoder` wrote; members that it does not know are passed over.
  public init(json bytes: [UInt8]) throws(JSONError) {
    self = try JSONReader.document(bytes) { (reader) throws(JSONError) in try reader.runSpec() }
  }

  public init(from reader: inout JSONReader) throws(JSONError) { self = try reader.runSpec() }
}

extension JSONWriter {
  public mutating func field(_ key: String, _ text: String) {
    self.key(key)
    string(text)
  }

  public mutating func optional<T>(_ key: String, _ value: T?, _ write: (inout JSONWriter, T) -> Void) {
    guard let value else { return }
    self.key(key)
    write(&self, value)
  }

  fileprivate mutating func write(_ source: Source) {
    object { writer in
      writer.field("kind", source.kind.rawValue)
      writer.optional("manifest", source.manifest) { $0.string($1) }
      writer.optional("git", source.git) { $0.write($1) }
      writer.optional("image", source.image) { $0.string($1.text) }
      writer.key("entry_point")
      writer.array(source.entryPoint) { $0.string($1) }
      writer.optional("python", source.python) { $0.string($1) }
      writer.optional("requirements", source.requirements) { $0.string($1) }
    }
  }

  fileprivate mutating func write(_ git: GitSource) {
    object { writer in
      writer.field("url", git.url)
      writer.field("commit", git.commit)
      writer.optional("ref", git.ref) { $0.string($1) }
      writer.optional("folder", git.folder) { $0.string($1) }
      writer.optional("secret", git.secret) { $0.string($1) }
      writer.optional("user", git.user) { $0.string($1) }
    }
  }

  fileprivate mutating func write(_ job: JobVersion) {
    object { writer in
      writer.field("entity", job.entity)
      writer.field("project", job.project)
      writer.field("name", job.name)
      writer.key("version")
      writer.int(Int64(job.version))
      writer.key("aliases")
      writer.array(job.aliases) { $0.string($1) }
      writer.key("source")
      writer.write(job.source)
      writer.optional("inputs", job.inputs) { $0.value($1.schema) }
      writer.field("digest", job.digest)
      writer.field("author", job.author)
      writer.key("created_at")
      writer.double(job.createdAt)
    }
  }

  fileprivate mutating func write(_ overrides: Overrides) {
    object { writer in
      writer.optional("args", overrides.args) { $0.array($1) { $0.string($1) } }
      writer.optional("run_config", overrides.runConfig) { $0.value(.object($1)) }
      writer.optional("entry_point", overrides.entryPoint) { $0.array($1) { $0.string($1) } }
    }
  }

  fileprivate mutating func write(_ need: Need) {
    object { writer in
      writer.key("kind")
      writer.object { writer in
        switch need.kind {
        case .driver(let target):
          writer.key("driver")
          writer.object { $0.field("target", target) }
        case .capability(let capability, let target):
          writer.key("capability")
          writer.object {
            $0.field("_0", capability.rawValue)
            $0.field("target", target)
          }
        case .builder(let source, let target, let name):
          writer.key("builder")
          writer.object {
            $0.field("source", source.rawValue)
            $0.field("target", target)
            $0.optional("name", name) { $0.string($1) }
          }
        }
      }
      writer.field("why", need.why)
      writer.optional("place", need.place) { writer, place in
        writer.object {
          $0.field("file", place.file)
          $0.key("line")
          $0.int(Int64(place.line))
          $0.key("column")
          $0.int(Int64(place.column))
          $0.key("length")
          $0.int(Int64(place.length))
        }
      }
    }
  }
}

extension JSONReader {
  /// The value that was read for a member, or the error that it is missing.
  public func need<T>(_ value: T?, _ key: StaticString) throws(JSONError) -> T {
    guard let value else { throw failure("the table before this has no `\(key)`") }
    return value
  }

  public mutating func number() throws(JSONError) -> Int {
    guard let number = Int(exactly: try int()) else { throw failure("the number before this is too large") }
    return number
  }

  public mutating func strings() throws(JSONError) -> [String] {
    try array { (reader) throws(JSONError) in try reader.string() }
  }

  public mutating func optionalString() throws(JSONError) -> String? {
    try optional { (reader) throws(JSONError) in try reader.string() }
  }

  fileprivate mutating func sourceKind() throws(JSONError) -> SourceKind {
    try need(SourceKind(rawValue: string()), "kind of source")
  }

  fileprivate mutating func runSpec() throws(JSONError) -> RunSpec {
    var job: JobVersion?
    var source: Source?
    var overrides: Overrides?
    var target: String?
    var resource: Value?
    var needs: [Need]?
    var timeout: Double?
    var grace: Double?
    var retriesLost: Bool?
    var generation: Int?
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "job": job = try reader.optional { (reader) throws(JSONError) in try reader.jobVersion() }
      case "source": source = try reader.source()
      case "overrides": overrides = try reader.overrides()
      case "target": target = try reader.string()
      case "resource": resource = try reader.value()
      case "needs": needs = try reader.array { (reader) throws(JSONError) in try reader.runNeed() }
      case "timeout": timeout = try reader.optional { (reader) throws(JSONError) in try reader.double() }
      case "grace": grace = try reader.double()
      case "retries_lost": retriesLost = try reader.bool()
      case "generation": generation = try reader.number()
      default: _ = try reader.value()
      }
    }
    return RunSpec(
      job: job, source: try need(source, "source"), overrides: try need(overrides, "overrides"),
      target: try need(target, "target"), resource: try need(resource, "resource"), needs: try need(needs, "needs"),
      timeout: timeout, grace: try need(grace, "grace"), retriesLost: try need(retriesLost, "retries_lost"),
      generation: try need(generation, "generation"))
  }

  private mutating func source() throws(JSONError) -> Source {
    var kind: SourceKind?
    var entryPoint: [String]?
    var source = Source(kind: .code, entryPoint: [])
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "kind": kind = try reader.sourceKind()
      case "manifest": source.manifest = try reader.optionalString()
      case "git": source.git = try reader.optional { (reader) throws(JSONError) in try reader.gitSource() }
      case "image":
        if let text = try reader.optionalString() {
          source.image = try reader.need(try? ImageReference(text), "image")
        }
      case "entry_point": entryPoint = try reader.strings()
      case "python": source.python = try reader.optionalString()
      case "requirements": source.requirements = try reader.optionalString()
      default: _ = try reader.value()
      }
    }
    source.kind = try need(kind, "kind")
    source.entryPoint = try need(entryPoint, "entry_point")
    return source
  }

  private mutating func gitSource() throws(JSONError) -> GitSource {
    var git = GitSource(url: "", commit: "")
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "url": git.url = try reader.string()
      case "commit": git.commit = try reader.string()
      case "ref": git.ref = try reader.optionalString()
      case "folder": git.folder = try reader.optionalString()
      case "secret": git.secret = try reader.optionalString()
      case "user": git.user = try reader.optionalString()
      default: _ = try reader.value()
      }
    }
    return git
  }

  private mutating func jobVersion() throws(JSONError) -> JobVersion {
    var entity: String?
    var project: String?
    var name: String?
    var version: Int?
    var aliases: [String]?
    var source: Source?
    var inputs: Inputs?
    var digest: String?
    var author: String?
    var createdAt: Double?
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "entity": entity = try reader.string()
      case "project": project = try reader.string()
      case "name": name = try reader.string()
      case "version": version = try reader.number()
      case "aliases": aliases = try reader.strings()
      case "source": source = try reader.source()
      case "inputs":
        let schema = try reader.value()
        if !schema.isNull { inputs = try reader.need(try? Inputs(schema: schema), "schema of inputs") }
      case "digest": digest = try reader.string()
      case "author": author = try reader.string()
      case "created_at": createdAt = try reader.double()
      default: _ = try reader.value()
      }
    }
    return JobVersion(
      entity: try need(entity, "entity"), project: try need(project, "project"), name: try need(name, "name"),
      version: try need(version, "version"), aliases: try need(aliases, "aliases"),
      source: try need(source, "source"), inputs: inputs, digest: try need(digest, "digest"),
      author: try need(author, "author"), createdAt: try need(createdAt, "created_at"))
  }

  private mutating func overrides() throws(JSONError) -> Overrides {
    var overrides = Overrides()
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "args": overrides.args = try reader.optional { (reader) throws(JSONError) in try reader.strings() }
      case "run_config":
        if !reader.null() {
          var fields: [String: Value] = [:]
          try reader.object { (reader, key) throws(JSONError) in fields[key] = try reader.value() }
          overrides.runConfig = fields
        }
      case "entry_point":
        overrides.entryPoint = try reader.optional { (reader) throws(JSONError) in try reader.strings() }
      default: _ = try reader.value()
      }
    }
    return overrides
  }

  private mutating func runNeed() throws(JSONError) -> Need {
    var kind: Need.Kind?
    var why: String?
    var place: Place?
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "kind": kind = try reader.needKind()
      case "why": why = try reader.string()
      case "place": place = try reader.optional { (reader) throws(JSONError) in try reader.place() }
      default: _ = try reader.value()
      }
    }
    var need = Need(try self.need(kind, "kind"), why: try self.need(why, "why"))
    need.place = place
    return need
  }

  private mutating func needKind() throws(JSONError) -> Need.Kind {
    var kind: Need.Kind?
    try object { (reader, word) throws(JSONError) in
      var capability: Capability?
      var source: SourceKind?
      var target: String?
      var name: String?
      try reader.object { (reader, key) throws(JSONError) in
        switch key {
        case "_0": capability = Capability(try reader.string())
        case "source": source = try reader.sourceKind()
        case "target": target = try reader.string()
        case "name": name = try reader.optionalString()
        default: _ = try reader.value()
        }
      }
      switch word {
      case "driver": kind = .driver(target: try reader.need(target, "target"))
      case "capability":
        kind = .capability(try reader.need(capability, "_0"), target: try reader.need(target, "target"))
      case "builder":
        kind = .builder(
          source: try reader.need(source, "source"), target: try reader.need(target, "target"), name: name)
      default: throw reader.failure("`\(word)` is no kind of need")
      }
    }
    return try need(kind, "kind")
  }

  private mutating func place() throws(JSONError) -> Place {
    var place = Place(file: "", line: 0)
    try object { (reader, key) throws(JSONError) in
      switch key {
      case "file": place.file = try reader.string()
      case "line": place.line = try reader.number()
      case "column": place.column = try reader.number()
      case "length": place.length = try reader.number()
      default: _ = try reader.value()
      }
    }
    return place
  }
}

extension RetryPolicy {
  /// This policy as JSON, as `Codable` has it.
  public func json() -> [UInt8] {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("max")
      writer.int(Int64(max))
      writer.key("on")
      writer.array(on.map(\.rawValue).sorted()) { $0.string($1) }
      writer.key("delay")
      writer.double(delay)
      writer.key("delayMax")
      writer.double(delayMax)
    }
    return writer.bytes
  }

  /// Reads what `json()` or `JSONEncoder` wrote.
  public init(json bytes: [UInt8]) throws(JSONError) {
    self = try JSONReader.document(bytes) { (reader) throws(JSONError) in
      var policy = RetryPolicy()
      try reader.object { (reader, key) throws(JSONError) in
        switch key {
        case "max": policy.max = try reader.number()
        case "on":
          let causes = try reader.array { (reader) throws(JSONError) in
            try reader.need(Cause(rawValue: reader.string()), "cause")
          }
          policy.on = Set(causes)
        case "delay": policy.delay = try reader.double()
        case "delayMax": policy.delayMax = try reader.double()
        default: _ = try reader.value()
        }
      }
      return policy
    }
  }
}
