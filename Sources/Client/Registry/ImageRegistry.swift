import FoundationEssentials
import HTTP
import Model

/// Asks registries which image a tag means now: `HEAD` of the manifest, with the token that the registry asks for.
public struct ImageRegistry: Sendable {
  private let http: HTTPClient
  /// User name and password for a registry, where the person is logged in to it.
  private let login: @Sendable (_ registry: String) -> RegistryLogin?

  /// Seconds for each of the requests: a person waits, and an image without a digest can be run as well.
  private static let patience = Duration.seconds(10)
  /// Bytes of a token's answer at most.
  private static let tokenBytesMax = 1 << 20

  public init(http: HTTPClient, login: @escaping @Sendable (_ registry: String) -> RegistryLogin? = { _ in nil }) {
    self.http = http
    self.login = login
  }

  /// Why a tag has no digest, in words.
  public struct Failure: Error, Sendable, Hashable {
    public var message: String
    public init(_ message: String) { self.message = message }
  }

  /// The digest of what `image` means now.
  public func digest(of image: ImageReference) async throws(Failure) -> String {
    if let digest = image.digest { return digest }
    do throws(Failure) {
      return try await digest(of: image, scheme: "https")
    } catch {
      // As Docker does: only a registry of this machine is spoken to without TLS.
      guard image.isLocal else { throw error }
      return try await digest(of: image, scheme: "http")
    }
  }

  private func digest(of image: ImageReference, scheme: String) async throws(Failure) -> String {
    let host = image.registry == ImageReference.dockerHub ? "registry-1.docker.io" : image.registry
    let url = "\(scheme)://\(host)/v2/\(image.repository)/manifests/\(image.tag ?? "latest")"
    var answer = try await send(.head, url, authorization: nil)
    if answer.status == 401 {
      let authorization = try await authorization(answer.headers.values("WWW-Authenticate"), image)
      answer = try await send(.head, url, authorization: authorization)
    }
    switch answer.status {
    case 200:
      guard let digest = answer.headers["Docker-Content-Digest"], let pinned = image.pinned(digest) else {
        throw Failure("\(image.registry) does not tell the digest of \(image.short)")
      }
      return pinned
    case 401, 403: throw Failure("\(image.registry) does not show \(image.short) without a login, or has no such image")
    case 404: throw Failure("\(image.registry) has no image \(image.short)")
    case 429: throw Failure("\(image.registry) takes no more questions now")
    default: throw Failure("\(image.registry) answers \(answer.status) about \(image.short)")
    }
  }

  private func send(
    _ method: HTTPMethod, _ url: String, authorization: String?
  ) async throws(Failure) -> HTTPClient.Response {
    var request = HTTPClient.Request(method, url, timeout: Self.patience)
    request.headers["Accept"] = Self.manifestTypes.joined(separator: ", ")
    request.headers["Authorization"] = authorization
    request.responseLimit = Self.tokenBytesMax
    do throws(HTTPClientError) {
      return try await http.send(request)
    } catch { throw Failure("\(error.url) cannot be reached: \(error.fact)") }
  }

  /// Without these a registry answers with the digest of an old form of the manifest, which is another.
  private static let manifestTypes = [
    "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
  ]

  // MARK: Being let in

  private func authorization(_ challenges: [String], _ image: ImageReference) async throws(Failure) -> String {
    let login = login(image.registry)
    for challenge in challenges.compactMap(Challenge.init) {
      switch challenge.scheme {
      case "bearer":
        return "Bearer \(try await token(challenge, image, login))"
      case "basic":
        guard let login else { continue }
        return login.basic
      default: continue
      }
    }
    throw Failure("\(image.registry) does not show \(image.short) without a login")
  }

  private func token(
    _ challenge: Challenge, _ image: ImageReference, _ login: RegistryLogin?
  ) async throws(Failure) -> String {
    guard let realm = challenge.parameters["realm"], realm.hasPrefix("https://") || image.isLocal else {
      // A password that is sent without TLS is known to all on the way.
      throw Failure("\(image.registry) asks for a token in a way that is not safe")
    }
    var query = [("scope", challenge.parameters["scope"] ?? "repository:\(image.repository):pull")]
    if let service = challenge.parameters["service"] { query.append(("service", service)) }
    let pairs = query.map { "\($0.0)=\(PercentCoding.encode($0.1))" }.joined(separator: "&")
    let answer = try await send(
      .get, realm + (realm.contains("?") ? "&" : "?") + pairs, authorization: login?.basic)
    guard answer.status == 200, let body = try? Value(json: answer.body),
      let token = body["token"]?.stringValue ?? body["access_token"]?.stringValue,
      token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { throw Failure("\(image.registry) gives no token for \(image.short) (it answers \(answer.status))") }
    return token
  }
}

extension ImageReference {
  /// The digest, where it is one.
  fileprivate func pinned(_ digest: String) -> String? {
    (try? ImageReference("\(name)@\(digest)"))?.digest
  }
}

/// User name and password for a registry.
public struct RegistryLogin: Sendable {
  /// As `Authorization` wants it. Not shown: it is the password.
  fileprivate let basic: String

  /// - Parameter encoded: `user:password` in Base64, as Docker keeps it.
  public init?(encoded: String) {
    guard !encoded.isEmpty, encoded.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    basic = "Basic \(encoded)"
  }

  /// What `docker login` keeps in its config file for a registry. Helpers that keep it elsewhere are not asked.
  public init?(_ config: Value, registry: String) {
    let names =
      registry == ImageReference.dockerHub
      ? ["https://index.docker.io/v1/", "index.docker.io", registry]
      : [registry, "https://\(registry)", "https://\(registry)/v2/"]
    for name in names {
      if let auth = config["auths"]?[name]?["auth"]?.stringValue, let login = RegistryLogin(encoded: auth) {
        self = login
        return
      }
    }
    return nil
  }
}

/// One way in of a `WWW-Authenticate` header: `Bearer realm="https://...",service="...",scope="..."`.
struct Challenge: Sendable, Hashable {
  /// Lower case.
  var scheme: String
  var parameters: [String: String] = [:]

  init?(_ text: String) {
    let space = text.firstIndex(of: " ") ?? text.endIndex
    scheme = text[..<space].lowercased()
    guard !scheme.isEmpty else { return nil }
    var rest = text[space...]
    while let equals = rest.firstIndex(of: "=") {
      let name = rest[..<equals].drop { $0 == " " || $0 == "," }.lowercased()
      rest = rest[rest.index(after: equals)...]
      if rest.first == "\"" {
        rest = rest.dropFirst()
        let end = rest.firstIndex(of: "\"") ?? rest.endIndex
        parameters[name] = String(rest[..<end])
        rest = rest[end...].dropFirst()
      } else {
        let end = rest.firstIndex(of: ",") ?? rest.endIndex
        parameters[name] = String(rest[..<end])
        rest = rest[end...]
      }
    }
  }
}
