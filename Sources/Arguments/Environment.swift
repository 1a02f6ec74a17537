import Glibc

/// Looks up environment variables. One that is set to nothing counts as not set, as people expect of `NAME= command`.
public struct Environment: Sendable {
  private let lookUp: @Sendable (String) -> String?

  public init(_ variables: [String: String] = [:]) {
    lookUp = { variables[$0] }
  }

  private init(lookUp: @escaping @Sendable (String) -> String?) { self.lookUp = lookUp }

  /// That of this process, read at each look.
  public static let process = Environment { name in
    getenv(name).map { String(cString: $0) }
  }

  public subscript(name: String) -> String? {
    lookUp(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
