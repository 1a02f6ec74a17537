import Client
import FoundationEssentials
import HTTP
import Lua
import Model

/// A request as a plugin describes it, checked against its permissions. Secrets in it are still sealed.
struct HTTPWanted: Sendable {
  enum Body: Sendable {
    case none
    case text(HostText)
    case json(Value)
    case form([(name: String, value: HostText)])
    case file(String)
  }

  var method = HTTPMethod.get
  var url: String
  var address: HTTPAddress?
  var headers: [(name: String, value: HostText)] = []
  var body = Body.none
  var socket: String?
  var tls: HTTPTrust?
  var aws: HTTPSigning?
  /// Seconds; nil means without an end.
  var timeout: Double?
  var stall: Double?
  /// Bytes of the answer that are kept.
  var limit = HTTPWanted.answerSizeMax
  var mayCut = false
  /// Absolute path of the file that the answer's body goes to.
  var target: String?

  /// Bytes of an answer that are held in memory unless the plugin says otherwise; the plugin's Lua has 64 MiB.
  static let answerSizeMax = 16 << 20
  /// Bytes of an answer that goes to a file, unless the plugin says otherwise.
  static let fileSizeMax = 64 << 30
  /// Seconds of one request, unless the plugin says otherwise.
  static let seconds = 30.0

  private static let keys = [
    "method", "url", "query", "headers", "body", "json", "form", "file", "into", "socket", "timeout", "stall", "limit",
    "cut", "user", "password", "bearer", "tls", "aws",
  ]

  /// Throws for what no request can be made of, and for what the plugin may not reach.
  /// - Parameter isStream: the answer has no end unless the plugin says so.
  init(_ tree: LuaTree, _ functions: HostFunctions, isStream: Bool) throws(LuaError) {
    guard case .table(let table) = tree, let url = table.fields["url"]?.string else {
      throw LuaError(.runtime, "a request is a table with a url: { url = \"http://...\" }")
    }
    for key in table.fields.keys.sorted() where !Self.keys.contains(key) {
      let near = closest(to: key, among: Self.keys).map { "; did you mean `\($0)`?" } ?? ""
      throw LuaError(.runtime, "a request has no `\(key)`\(near)")
    }
    self.url = url
    if let query = table.fields["query"] {
      guard let text = HostFunctions.query(query) else { throw Self.odd("query", "a table of texts and numbers") }
      if !text.isEmpty { self.url += (url.contains("?") ? "&" : "?") + text }
    }
    address = HTTPAddress(self.url)
    if let method = table.fields["method"] {
      guard let text = method.string, !text.isEmpty, text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
        throw Self.odd("method", "in capitals, such as \"POST\"")
      }
      self.method = HTTPMethod(rawValue: text)
    }
    headers = try Self.pairs(table, "headers")
    try readBody(table, functions)
    try readBounds(table, isStream: isStream)
    try readCredentials(table)
    tls = try table.fields["tls"].map { (tree) throws(LuaError) in try HTTPTrust(tree, functions.permits) }
    aws = try table.fields["aws"].map { (tree) throws(LuaError) in try HTTPSigning(tree) }
    if let into = table.fields["into"] {
      guard let name = into.string, !isStream else { throw Self.odd("into", "a path in the plugin's data folder") }
      target = try functions.path(name)
      if table.fields["limit"] == nil { limit = Self.fileSizeMax }
    }
    if let socket = table.fields["socket"] {
      guard let path = socket.string else { throw Self.odd("socket", "the path of a Unix socket") }
      self.socket = try functions.permits.socket(path)
    } else if let address {
      try functions.permits.require(.http, address.host)
    }
  }

  private mutating func readBody(_ table: LuaTable, _ functions: HostFunctions) throws(LuaError) {
    let given = ["body", "json", "form", "file"].filter { table.fields[$0] != nil }
    guard given.count <= 1 else {
      throw LuaError(.runtime, "a request has one body, not `\(given.joined(separator: "` and `"))`")
    }
    if let tree = table.fields["body"] {
      guard let text = HostText(tree) else { throw Self.odd("body", "text") }
      body = .text(text)
    } else if let tree = table.fields["json"] {
      switch tree.document() {
      case .success(let value): body = .json(value)
      case .failure(let problem): throw LuaError(.runtime, "`json` cannot be said in JSON: \(problem.text)")
      }
    } else if table.fields["form"] != nil {
      body = .form(try Self.pairs(table, "form"))
    } else if let tree = table.fields["file"] {
      guard let name = tree.string else { throw Self.odd("file", "a path in the plugin's data folder") }
      body = .file(try functions.path(name))
    }
  }

  private mutating func readBounds(_ table: LuaTable, isStream: Bool) throws(LuaError) {
    timeout = try HostFunctions.seconds(table, "timeout", of: "a request") ?? (isStream ? nil : Self.seconds)
    stall = try HostFunctions.seconds(table, "stall", of: "a request")
    if let tree = table.fields["limit"] {
      guard let bytes = tree.whole, bytes >= 0 else { throw Self.odd("limit", "bytes") }
      limit = table.fields["into"] == nil ? HostFunctions.kept(bytes) : Int(clamping: bytes)
    }
    mayCut = table.fields["cut"] == .boolean(true)
  }

  private mutating func readCredentials(_ table: LuaTable) throws(LuaError) {
    let given = ["bearer", "user", "aws"].filter { table.fields[$0] != nil }
    guard given.count <= 1 else {
      throw LuaError(.runtime, "a request has one way to say who sends it, not `\(given.joined(separator: "` and `"))`")
    }
    if let tree = table.fields["bearer"] {
      guard tree.string != nil || tree.table != nil else { throw Self.odd("bearer", "text") }
      try add("Authorization", .table(LuaTable(items: ["Bearer ", tree])), as: Node.joinKey, "bearer")
    } else if let user = table.fields["user"] {
      let pair: LuaTree = .table(LuaTable(items: [user, ":", table.fields["password"] ?? ""]))
      let coded: LuaTree = [Node.base64Key: [Node.joinKey: pair]]
      try add("Authorization", .table(LuaTable(items: ["Basic ", coded])), as: Node.joinKey, "user")
    }
  }

  private mutating func add(_ name: String, _ tree: LuaTree, as seal: String, _ key: String) throws(LuaError) {
    guard let text = HostText([seal: tree]) else { throw Self.odd(key, "text") }
    headers.append((name, text))
  }

  private static func pairs(_ table: LuaTable, _ key: String) throws(LuaError) -> [(name: String, value: HostText)] {
    guard let tree = table.fields[key] else { return [] }
    guard case .table(let fields) = tree, fields.items.isEmpty, fields.oddKeys.isEmpty else {
      throw odd(key, "a table of texts")
    }
    var pairs: [(name: String, value: HostText)] = []
    for (name, value) in fields.fields.sorted(by: { $0.key < $1.key }) {
      guard let text = HostText(value) else { throw odd("\(key).\(name)", "text") }
      pairs.append((name, text))
    }
    return pairs
  }

  static func odd(_ key: String, _ wanted: String) -> LuaError {
    LuaError(.runtime, "`\(key)` of a request is \(wanted)")
  }

  // MARK: on its way out

  /// The request with its secrets opened.
  func opened(with secrets: [String: Secret]) throws(DriverFailure) -> HTTPClient.Request {
    guard address != nil else {
      throw DriverFailure(.configInvalid, "\(method) cannot be sent: the URL is none of http:// or https://")
    }
    var request = HTTPClient.Request(method, url, timeout: timeout.map { .seconds($0) })
    request.stallTimeout = stall.map { .seconds($0) }
    request.unixSocket = socket
    request.responseLimit = limit
    request.fileLimit = limit
    request.mayCut = mayCut
    for (name, value) in headers { request.headers.add(name, try value.openedText(with: secrets)) }
    func type(_ text: String) {
      if request.headers["Content-Type"] == nil { request.headers["Content-Type"] = text }
    }
    switch body {
    case .none: break
    case .text(let text): request.body = .bytes(try text.opened(with: secrets))
    case .json(let value):
      type("application/json")
      request.body = .bytes(Array(try value.opened(with: secrets).json().utf8))
    case .form(let pairs):
      type("application/x-www-form-urlencoded")
      var parts: [String] = []
      for (name, value) in pairs {
        let text = try value.openedText(with: secrets)
        parts.append(PercentCoding.encode(name) + "=" + PercentCoding.encode(text))
      }
      request.body = .bytes(Array(parts.joined(separator: "&").utf8))
    case .file(let path): request.body = .file(path: path)
    }
    request.tls = try tls?.opened(with: secrets)
    try aws?.sign(&request)
    return request
  }

  /// What a plugin is told of a request that got no answer.
  func failure(_ error: HTTPClientError) -> DriverFailure {
    // Reading again has no effect to fear.
    let isSafe = !error.requestSent || method == .get || method == .head
    let code: DriverFailure.Code =
      switch error.code {
      case .timeout: .timeout
      case .cancelled, .clientClosed: .cancelled
      case .invalidRequest: .configInvalid
      case .responseTooLarge, .invalidResponse, .tooManyRedirects, .file: .targetError
      case .unknownHost, .connectionRefused, .unreachable, .connectTimeout, .tls, .connectionLost, .other: .unavailable
      }
    let isFinal = [.invalidRequest, .file, .responseTooLarge].contains(error.code) && isSafe
    let place = socket.map { "\(error.url) on \($0)" } ?? error.url
    return DriverFailure(
      code, "\(method) \(place): \(error.fact)", hint: error.hint,
      retry: isFinal ? .never : isSafe ? .safe : .unknownEffect)
  }
}
