import Client
import Hashing
import Lua
import Model
import Processes

/// `tls = { ca =, cert =, key =, ca_file =, cert_file =, key_file =, server_name =, insecure = }` of a request.
struct HTTPTrust: Sendable {
  private enum Source: Sendable {
    case text(HostText)
    case file(String)
  }

  private var authorities: Source?
  private var certificate: Source?
  private var key: Source?
  private var serverName: String?
  private var trustsAnybody: Bool

  private static let keys = ["ca", "cert", "key", "ca_file", "cert_file", "key_file", "server_name", "insecure"]

  init(_ tree: LuaTree, _ permits: Permits) throws(LuaError) {
    guard case .table(let table) = tree else { throw HTTPWanted.odd("tls", "a table") }
    if let key = table.fields.keys.sorted().first(where: { !Self.keys.contains($0) }) {
      throw LuaError(.runtime, "`tls` of a request has no `\(key)`; it has: \(Self.keys.joined(separator: ", "))")
    }
    func source(_ key: String) throws(LuaError) -> Source? {
      if let path = table.fields[key + "_file"] {
        guard let text = path.string else { throw HTTPWanted.odd("tls.\(key)_file", "a path") }
        return .file(try permits.readable(text))
      }
      guard let tree = table.fields[key] else { return nil }
      guard let text = HostText(tree) else { throw HTTPWanted.odd("tls.\(key)", "PEM text") }
      return .text(text)
    }
    authorities = try source("ca")
    certificate = try source("cert")
    key = try source("key")
    serverName = table.fields["server_name"]?.string
    trustsAnybody = table.fields["insecure"] == .boolean(true)
  }

  func opened(with secrets: [String: Secret]) throws(DriverFailure) -> HTTPClient.TLS {
    func bytes(_ source: Source?) throws(DriverFailure) -> [UInt8]? {
      switch source {
      case nil: return nil
      case .text(let text): return try text.opened(with: secrets)
      case .file(let path): return try HostFunctions.read(path)
      }
    }
    return HTTPClient.TLS(
      authorities: try bytes(authorities), certificate: try bytes(certificate), key: try bytes(key),
      serverName: serverName, trustsAnybody: trustsAnybody)
  }
}

/// `aws = { region =, service =, key =, secret =, token = }` of a request.
struct HTTPSigning: Sendable {
  private let region: String
  private let service: String
  private let key: String
  private let secret: String
  private let token: String?

  private static let keys = ["region", "service", "key", "secret", "token"]

  init(_ tree: LuaTree) throws(LuaError) {
    guard case .table(let table) = tree else { throw HTTPWanted.odd("aws", "a table") }
    if let key = table.fields.keys.sorted().first(where: { !Self.keys.contains($0) }) {
      throw LuaError(.runtime, "`aws` of a request has no `\(key)`; it has: \(Self.keys.joined(separator: ", "))")
    }
    func text(_ key: String) throws(LuaError) -> String {
      guard let text = table.fields[key]?.string, !text.isEmpty else { throw HTTPWanted.odd("aws.\(key)", "text") }
      return text
    }
    region = try text("region")
    service = try text("service")
    key = try text("key")
    secret = try text("secret")
    token = table.fields["token"]?.string
    // They are parts of one text; nothing of it may be moved.
    guard [region, service].allSatisfy({ !$0.contains(":") && !$0.contains("/") }) else {
      throw HTTPWanted.odd("aws", "a region such as \"eu-west-1\" and a service such as \"s3\"")
    }
  }

  func sign(_ request: inout HTTPClient.Request) throws(DriverFailure) {
    if let token { request.headers["X-Amz-Security-Token"] = token }
    let digest: String
    switch request.body {
    case .none: digest = try Self.digest([])
    case .bytes(let bytes): digest = try Self.digest(bytes)
    case .file:
      guard service == "s3" else {
        throw DriverFailure(.unsupported, "a file can be signed for s3 alone, not for \(service)", hint: "send a body")
      }
      digest = "UNSIGNED-PAYLOAD"
    }
    request.awsSignature = HTTPClient.AWSSignature(
      region: region, service: service, key: key, secret: secret, bodyDigest: digest)
  }

  private static func digest(_ bytes: [UInt8]) throws(DriverFailure) -> String {
    do {
      return try Hash.of(bytes).hex
    } catch {
      throw DriverFailure(.unsupported, "\(error)")
    }
  }
}
