import Arguments
import Client
import Model

/// What every command takes that talks to a server.
struct ServerOptions: Sendable {
  private let url: Key<String?>
  private let environment: Environment

  init(_ declare: inout Declaration, _ environment: Environment) {
    self.environment = environment
    url = declare.option(
      "url", .string, environment: "LUNAPORT_URL", help: "The server; the one logged in to if nothing is said.")
  }

  func client(_ values: Values) throws(LocalFailure) -> APIClient {
    try Self.client(url: values[url], environment)
  }

  /// A client of the server at `url`, or of the one that was logged in to. The kept key goes to no other server than
  /// the one it was kept for.
  static func client(
    url: String?, _ environment: Environment, connectTimeout: Duration = .seconds(10)
  ) throws(LocalFailure) -> APIClient {
    let login = try LoginFile.read(environment)
    guard let url = url ?? login?.url else {
      throw LocalFailure(
        "it is not known where the server is",
        hint: "run 'lunaport login URL' once, or set LUNAPORT_URL and LUNAPORT_API_KEY")
    }
    guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
      throw LocalFailure("\(url) is no address of a server", hint: "such as http://127.0.0.1:8080")
    }
    let kept = login.flatMap { plain($0.url) == plain(url) ? $0.key : nil }
    var configuration = HTTPClient.Configuration()
    configuration.userAgent = "lunaport/\(Lunaport.version)"
    configuration.connectTimeout = connectTimeout
    return APIClient(
      url: url, key: environment["LUNAPORT_API_KEY"] ?? kept, http: HTTPClient(configuration))
  }

  private static func plain(_ url: String) -> Substring {
    var url = url[...]
    while url.hasSuffix("/") { url = url.dropLast() }
    return url
  }
}

extension Declaration {
  mutating func json() -> Key<Bool> { flag("json", help: "Print JSON.") }

  mutating func entity() -> Key<String?> {
    option("entity", short: "e", .string, help: "The user or team; your default if nothing is said.")
  }

  mutating func project() -> Key<String?> { option("project", short: "p", .string, help: "The project.") }
}
