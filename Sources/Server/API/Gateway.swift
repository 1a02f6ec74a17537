import FoundationEssentials
import HTTP
import Model
import Storage

/// Between HTTP and the service: finds out who asks, judges the request by its route, and gives answers and errors their
/// form.
struct Gateway: Sendable {
  let service: Service
  private let failures = FailureLimit()

  init(_ service: Service) { self.service = service }

  /// Everything that the server answers.
  func httpService() -> HTTPService {
    var table = HTTPRoutes()
    let uploads = folder(of: service.blobs.draft())
    for route in Routes.all {
      let body: HTTPBodyPolicy =
        switch route.body {
        case .none: .memory(limit: Gateway.ignoredBody)
        case .json(_, let limit): .memory(limit: limit)
        case .bytes(let limit): .memory(limit: limit)
        case .file(let limit): .file(directory: uploads, limit: limit)
        }
      table.on(route.method, route.path, body: body) { request in await answer(request, route) }
    }
    let log = service.log
    var http = table.service(render: { Gateway.secured(HTTPFault.renderJSON($0)) }) { request, error in
      log("\(request.method) \(request.path) failed: \(error)")
    }
    let policy = http.bodyPolicy
    http.bodyPolicy = { request in
      let wanted = policy(request)
      guard case .file = wanted else { return wanted }
      // Nobody fills the disk without at least something that looks like a key.
      if case .key = Credentials(request.headers) { return wanted }
      return .refuse(
        HTTPFault(
          status: 401, code: ServiceError.Code.unauthenticated.rawValue, message: "an upload needs a key",
          hint: "send it with Authorization: Bearer KEY", headers: Gateway.challenge))
    }
    return http
  }

  /// Bytes of a body that is sent where none is wanted: it is read and forgotten.
  private static let ignoredBody = 64 << 10

  private func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  // MARK: One request

  func answer(_ request: HTTPRequest, _ route: Route) async -> HTTPResponse {
    var response: HTTPResponse
    var caller: Account?
    do {
      // A task that waits keeps what memory it ever needed: what comes before the wait is done in another one.
      let call =
        route.waits ? try await Task { try await admit(request, route) }.value : try await admit(request, route)
      caller = call.account
      response =
        route.waits
        ? try await request.whileWaiting { try await route.handler(service, call) }
        : try await route.handler(service, call)
    } catch {
      response = refusal(error, request)
    }
    if case .stream(let write) = response.body {
      let account = caller
      response.body = .stream { writer in
        do {
          try await whileAdmitted(account, by: request) { try await write(writer) }
        } catch {
          let isExpected = error is HTTPStreamClosed || error is CancellationError
          if !isExpected { service.log("\(request.method) \(request.path) was cut short: \(error)") }
          throw error
        }
      }
    }
    service.metrics.count(
      Metrics.requests, Metrics.labels(("route", route.name), ("status", String(response.status))))
    return Gateway.secured(response)
  }

  /// Finds out who asks, and judges what is asked. Not inlined, so that what it needs is not kept by who waits.
  @inline(never)
  private func admit(_ request: HTTPRequest, _ route: Route) async throws -> Call {
    let account = try await account(request, route.access)
    guard route.access.allows(account.role) else {
      throw ServiceError(
        .forbidden, "the role `\(account.role.rawValue)` of account `\(account.name)` may not do this",
        hint: "use a key of \(Gateway.roles(route.access))")
    }
    return try Call(request, of: route, by: account)
  }

  /// Seconds between looks whether the reader of a stream may still read it.
  private static let admissionSeconds: Double = 30

  /// Goes on for as long as the key of a request is good and its account may do what it might then: a stream has no end
  /// of its own, and a key is revoked at once and for ever.
  private func whileAdmitted(
    _ account: Account?, by request: HTTPRequest, _ work: @escaping @Sendable () async throws -> Void
  ) async throws {
    guard let account, case .key(let key) = Credentials(request.headers) else { return try await work() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await work() }
      group.addTask { [service] in
        while true {
          try await service.clock.sleep(service.clock.now() + Gateway.admissionSeconds)
          do {
            guard try await service.authenticate(key) == account else { throw CancellationError() }
          } catch is ServiceError {
            throw CancellationError()
          } catch is StoreError {
            // Of keys it says nothing that the store cannot be asked now.
          }
        }
      }
      try await group.next()
    }
  }

  private static func roles(_ access: Access) -> String {
    Account.Role.allCases.filter { access.allows($0) }.map { "role `\($0.rawValue)`" }.joined(separator: " or ")
  }

  private static let challenge: HTTPHeaders = [
    "WWW-Authenticate": "Bearer realm=\"lunaport\", Basic realm=\"lunaport\", charset=\"UTF-8\""
  ]

  private func account(_ request: HTTPRequest, _ access: Access) async throws -> Account {
    if case .open = access { return Account(name: "", role: .agent) }
    do {
      switch Credentials(request.headers) {
      case .key(let key): return try await service.authenticate(key)
      case .none:
        throw ServiceError(
          .unauthenticated, "this needs a key", hint: "send it with Authorization: Bearer KEY",
          headers: Gateway.challenge)
      case .malformed:
        throw ServiceError(
          .unauthenticated, "the Authorization header holds no key", hint: "send Authorization: Bearer KEY")
      }
    } catch var error as ServiceError where error.code == .unauthenticated {
      service.metrics.count(Metrics.failedLogins)
      if let wait = failures.failed(request.peer, now: service.clock.now()) {
        throw ServiceError(
          .tooMany, "too many failed logins from \(request.peer)", hint: "send the right key; it is taken at once",
          headers: ["Retry-After": String(Int(wait.rounded(.up)))])
      }
      error.headers = Gateway.challenge
      throw error
    }
  }

  // MARK: Errors

  private func refusal(_ error: any Error, _ request: HTTPRequest) -> HTTPResponse {
    if let error = error as? ServiceError { return Gateway.response(error) }
    if let error = error as? StoreError, let told = ServiceError(error) {
      if told.code == .unavailable, error.code != .stopped {
        service.log("\(request.method) \(request.path): \(error)")
      }
      return Gateway.response(told, size: error.size)
    }
    if error is CancellationError || error is HTTPStreamClosed {
      return Gateway.response(
        ServiceError(
          .unavailable, "the server is closing", hint: "try again in a few seconds",
          headers: ["Retry-After": "2"]))
    }
    // What it is goes into the log and not to the caller: it may hold paths, and it helps nobody outside.
    service.log("\(request.method) \(request.path) failed: \(error)")
    return Gateway.response(
      ServiceError(
        .internalError, "the server failed to answer", hint: "the server's log says why; report it if it comes again"))
  }

  /// An error as `ErrorView`, with the size that is stored where bytes of a log are missing.
  private static func response(_ error: ServiceError, size: Int64? = nil) -> HTTPResponse {
    struct Body: Encodable {
      var error: ErrorView.Body
      var size: Int64?
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Texts and numbers always encode.
    let bytes = (try? encoder.encode(Body(error: error.body, size: size))).map { [UInt8]($0) } ?? []
    var response = HTTPResponse.json(bytes, status: error.code.status)
    for field in error.headers.fields { response.headers.add(field.name, field.value) }
    return response
  }

  /// Nothing here is to be guessed at, framed, kept by a cache or told to other sites.
  private static func secured(_ response: HTTPResponse) -> HTTPResponse {
    var response = response
    let fields = [
      ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
      ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"), ("Cache-Control", "no-store"),
    ]
    for (name, value) in fields where response.headers[name] == nil { response.headers[name] = value }
    return response
  }
}
