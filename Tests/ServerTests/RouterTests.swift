import HTTP
import Testing

@testable import Server

@Suite struct RouterTests {
  private let router: Router<String> = {
    var router = Router<String>()
    router.add(.get, "/", "root")
    router.add(.get, "/api/v1/runs", "list")
    router.add(.post, "/api/v1/runs", "create")
    router.add(.get, "/api/v1/runs/{id}", "show")
    router.add(.get, "/api/v1/runs/active", "active")
    router.add(.get, "/api/v1/runs/{id}/log", "log")
    router.add(.head, "/api/v1/runs/{id}/log", "log head")
    router.add(.get, "/api/v1/{kind}/active/{name}", "deep")
    router.add(.get, "/files/{path...}", "files")
    router.add(.options, "/cors", "own options")
    return router
  }()

  private func text(_ method: HTTPMethod, _ path: String) -> String {
    let segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    return switch router.match(method, segments) {
    case .route(let route, let parameters):
      ([route] + parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
    case .options(let allow): "options " + allow.map(\.rawValue).joined(separator: ",")
    case .methodNotAllowed(let allow): "405 " + allow.map(\.rawValue).joined(separator: ",")
    case .notFound: "404"
    }
  }

  @Test(
    arguments: [
      (.get, "/", "root"),
      (.get, "/api/v1/runs", "list"),
      (.post, "/api/v1/runs", "create"),
      (.get, "/api/v1/runs/a1", "show id=a1"),
      (.get, "/api/v1/runs/active", "active"),
      (.get, "/api/v1/runs/a1/log", "log id=a1"),
      // The text `active` is tried first and leads nowhere; the parameter is tried next.
      (.get, "/api/v1/runs/active/log", "log id=active"),
      (.get, "/api/v1/runs/active/x", "deep kind=runs name=x"),
      (.get, "/files/a/b/c.txt", "files path=a/b/c.txt"),
      (.get, "/files/", "404"),
      (.get, "/files", "404"),
      (.get, "/api/v1/runs/", "404"),
      (.get, "/api/v1", "404"),
      (.get, "/API/v1/runs", "404"),
      (.head, "/api/v1/runs", "list"),
      (.head, "/api/v1/runs/a1/log", "log head id=a1"),
      (.put, "/api/v1/runs", "405 GET,HEAD,OPTIONS,POST"),
      (.options, "/api/v1/runs", "options GET,HEAD,OPTIONS,POST"),
      (.options, "/cors", "own options"),
      (.get, "/cors", "405 OPTIONS"),
      (.options, "/nowhere", "404"),
    ] as [(HTTPMethod, String, String)])
  func everyRequestFindsItsRoute(method: HTTPMethod, path: String, expected: String) {
    #expect(text(method, path) == expected)
  }

  @Test func anEscapedSlashStaysInsideItsSegment() throws {
    let request = try HTTPRequest(path: "/api/v1/runs/a%2Fb")
    guard case .route("show", let parameters) = router.match(.get, request.segments) else {
      Issue.record("no route for \(request.segments)")
      return
    }
    #expect(parameters == ["id": "a/b"])
  }

  @Test func aMalformedPathIsRefused() {
    #expect(throws: HTTPFault.self) { try HTTPRequest(path: "/a%zz") }
  }
}

@Suite struct ByteRangeTests {
  @Test(
    arguments: [
      (nil, .whole), ("bytes=0-0", .part(0..<1)), ("bytes=0-99", .part(0..<100)), ("bytes=90-200", .part(90..<100)),
      ("bytes=10-", .part(10..<100)), ("bytes=-10", .part(90..<100)), ("bytes=-1000", .part(0..<100)),
      ("Bytes= 5 - 6", .part(5..<7)), ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
      ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=5-99999999999999999999", .part(5..<100)),
      ("bytes=6-5", .whole), ("bytes=0-1,5-6", .whole), ("items=0-1", .whole), ("bytes=a-b", .whole),
      ("bytes=-", .whole), ("bytes", .whole), ("bytes=+1-2", .whole),
    ] as [(String?, ByteRange)])
  func aRangeHeaderMeansWhatTheStandardSays(header: String?, expected: ByteRange) {
    #expect(ByteRange(header: header, size: 100) == expected)
  }

  @Test func nothingOfAnEmptyBodyCanBeAskedFor() {
    #expect(ByteRange(header: "bytes=0-", size: 0) == .unsatisfiable)
    #expect(ByteRange(header: "bytes=-5", size: 0) == .unsatisfiable)
  }
}
