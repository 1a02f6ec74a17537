import HTTP

/// Where the body of a request goes before its handler runs.
public enum HTTPBodyPolicy: Sendable {
  /// Held in memory; `nil` stands for `HTTPLimits.body`.
  case memory(limit: Int? = nil)
  /// Written to a new file in `directory` as it comes, for bodies that are too large for memory.
  case file(directory: String, limit: Int)
  /// Not wanted: the answer is given without the body.
  case refuse(HTTPFault)
}

/// What a server serves.
public struct HTTPService: Sendable {
  /// Called once a request has been received in whole. It starts on the thread that reads the network and should
  /// reach its answer or its first suspension soon; a body of more than 64 KB moves it to the concurrent pool.
  /// Its task is cancelled when the client goes away; the answer is then dropped.
  public var handler: @Sendable (HTTPRequest) async -> HTTPResponse
  /// Called for requests that have a body, when only the header has been read. Must not block.
  public var bodyPolicy: @Sendable (HTTPRequest) -> HTTPBodyPolicy
  /// Gives an error its form. Must not block.
  public var render: @Sendable (HTTPFault) -> HTTPResponse

  public init(
    bodyPolicy: @escaping @Sendable (HTTPRequest) -> HTTPBodyPolicy = { _ in .memory() },
    render: @escaping @Sendable (HTTPFault) -> HTTPResponse = HTTPFault.renderJSON,
    handler: @escaping @Sendable (HTTPRequest) async -> HTTPResponse
  ) {
    self.handler = handler
    self.bodyPolicy = bodyPolicy
    self.render = render
  }
}

/// A table of routes that makes a service.
public struct HTTPRoutes: Sendable {
  /// An `HTTPFault` that it throws is rendered; any other error is handed to `report` and answered as 500.
  public typealias Handler = @Sendable (HTTPRequest) async throws -> HTTPResponse

  private struct Route {
    var body: HTTPBodyPolicy
    var handler: Handler
  }

  private var router = Router<Route>()

  public init() {}

  /// - Parameter pattern: see `Router`.
  public mutating func on(
    _ method: HTTPMethod, _ pattern: String, body: HTTPBodyPolicy = .memory(), _ handler: @escaping Handler
  ) {
    router.add(method, pattern, Route(body: body, handler: handler))
  }

  /// - Parameter report: is given what handlers throw beside faults, for the log. Must not block.
  public func service(
    render: @escaping @Sendable (HTTPFault) -> HTTPResponse = HTTPFault.renderJSON,
    report: @escaping @Sendable (HTTPRequest, any Error) -> Void
  ) -> HTTPService {
    let router = router
    return HTTPService(
      bodyPolicy: { request in
        // A path that is not there is answered by the handler; its body is not worth reading.
        switch router.match(request.method, request.segments) {
        case .route(let route, _): route.body
        case .options: .memory()
        case .methodNotAllowed(let allow):
          .refuse(.methodNotAllowed(request.method, path: request.path, allow: allow))
        case .notFound: .refuse(.notFound(path: request.path))
        }
      },
      render: render
    ) { request in
      switch router.match(request.method, request.segments) {
      case .route(let route, let parameters):
        var request = request
        request.parameters = parameters
        do {
          return try await route.handler(request)
        } catch let fault as HTTPFault {
          return render(fault)
        } catch {
          if !(error is CancellationError) { report(request, error) }
          return render(error is CancellationError ? .closing() : .internalError())
        }
      case .options(let allow):
        return HTTPResponse(status: 204, headers: ["Allow": allow.map(\.rawValue).joined(separator: ", ")])
      case .methodNotAllowed(let allow):
        return render(.methodNotAllowed(request.method, path: request.path, allow: allow))
      case .notFound where request.method == .options && request.path == "*":
        return .noContent()
      case .notFound:
        return render(.notFound(path: request.path))
      }
    }
  }
}
