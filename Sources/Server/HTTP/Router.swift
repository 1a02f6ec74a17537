import HTTP

/// Finds what serves a method and a path. A value: it holds no closures of its own and does no I/O.
///
/// A pattern is made of parts between slashes: text that must be equal, `{name}` for one part that is not empty, and
/// as the last part `{name...}` for all that is left, slashes included. Text wins over `{name}`, and that over
/// `{name...}`.
public struct Router<Route: Sendable>: Sendable {
  public enum Match {
    case route(Route, parameters: [String: String])
    /// `OPTIONS` for a path that does not serve it itself.
    case options(allow: [HTTPMethod])
    case methodNotAllowed(allow: [HTTPMethod])
    case notFound
  }

  private struct Endpoint {
    var names: [String]
    var route: Route
  }

  private struct Node {
    var texts: [String: Int] = [:]
    var parameter: Int?
    var rest: Int?
    var endpoints: [HTTPMethod: Endpoint] = [:]
  }

  private var nodes = [Node()]

  public init() {}

  /// A pattern that is malformed or already taken for that method is a mistake in the program and stops it.
  public mutating func add(_ method: HTTPMethod, _ pattern: String, _ route: Route) {
    precondition(pattern.hasPrefix("/"), "the route \(pattern) does not start with a slash")
    var names: [String] = []
    var node = 0
    var closed = false
    for part in pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      precondition(!closed, "the route \(pattern) goes on after {...}")
      if part.hasPrefix("{"), part.hasSuffix("...}") {
        names.append(String(part.dropFirst().dropLast(4)))
        node = child(of: node, \.rest)
        closed = true
      } else if part.hasPrefix("{"), part.hasSuffix("}") {
        names.append(String(part.dropFirst().dropLast()))
        node = child(of: node, \.parameter)
      } else {
        precondition(!part.contains { $0 == "{" || $0 == "}" }, "the route \(pattern) has a brace inside a part")
        node = child(of: node, \.texts[String(part)])
      }
    }
    precondition(Set(names).count == names.count, "the route \(pattern) uses a name twice")
    precondition(nodes[node].endpoints[method] == nil, "the route \(method) \(pattern) is there twice")
    nodes[node].endpoints[method] = Endpoint(names: names, route: route)
  }

  /// `HEAD` is served by the route of `GET` unless it has its own.
  public func match(_ method: HTTPMethod, _ segments: [String]) -> Match {
    var values: [String] = []
    guard let node = find(segments[...], from: 0, &values) else { return .notFound }
    let endpoints = nodes[node].endpoints
    if let endpoint = endpoints[method] ?? (method == .head ? endpoints[.get] : nil) {
      let parameters = Dictionary(zip(endpoint.names, values)) { first, _ in first }
      return .route(endpoint.route, parameters: parameters)
    }
    var allow = Set(endpoints.keys).union([.options])
    if allow.contains(.get) { allow.insert(.head) }
    let sorted = allow.sorted { $0.rawValue < $1.rawValue }
    return method == .options ? .options(allow: sorted) : .methodNotAllowed(allow: sorted)
  }

  private func find(_ segments: ArraySlice<String>, from index: Int, _ values: inout [String]) -> Int? {
    let node = nodes[index]
    guard let segment = segments.first else { return node.endpoints.isEmpty ? nil : index }
    let rest = segments.dropFirst()
    if let next = node.texts[segment], let found = find(rest, from: next, &values) { return found }
    guard !segment.isEmpty else { return nil }
    let count = values.count
    if let next = node.parameter {
      values.append(segment)
      if let found = find(rest, from: next, &values) { return found }
      values.removeSubrange(count...)
    }
    guard let next = node.rest else { return nil }
    values.append(segments.joined(separator: "/"))
    return next
  }

  private mutating func child(of node: Int, _ edge: WritableKeyPath<Node, Int?>) -> Int {
    if let next = nodes[node][keyPath: edge] { return next }
    nodes.append(Node())
    nodes[node][keyPath: edge] = nodes.count - 1
    return nodes.count - 1
  }
}
