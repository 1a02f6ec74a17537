import Model
import Scripting
import Synchronization

/// The secrets of one attempt: opened for its program when that starts, and kept out of everything that comes back.
final class AttemptSecrets: Sendable {
  private let source: any Secrets
  /// Those that its program is handed.
  private let handed: Set<String>
  /// Those that its texts may hold: with that which opens its repository.
  private let names: Set<String>
  private let state = Mutex(State())

  private struct State {
    /// As they were read; one that was changed meanwhile counts with both texts.
    var texts: [Secret] = []
    var read: Set<String> = []
    var mask = Mask()
  }

  init(_ lease: Lease, from source: any Secrets) {
    self.source = source
    handed = Program.secrets(in: lease.spec.resource)
    names = handed.union(lease.spec.source.git?.secret.map { [$0] } ?? [])
  }

  /// Reads secrets anew, for the program.
  func open(_ names: Set<String>) throws(SecretFailure) -> [String: Secret] {
    var found: [String: Secret] = [:]
    for name in names.sorted() { found[name] = try source.secret(name) }
    keep(found)
    return found
  }

  /// Covers those that can be read: for what comes before the program, which was handed none.
  var mask: Mask {
    for name in missing(of: names) {
      if let secret = try? source.secret(name) { keep([name: secret]) }
    }
    return state.withLock { $0.mask }
  }

  /// Covers all that the program was handed. Throws where one of them cannot be read any more: nobody can tell then
  /// where it stands in what the program prints.
  func whole() throws(SecretFailure) -> Mask {
    for name in missing(of: handed) { keep([name: try source.secret(name)]) }
    return mask
  }

  private func missing(of names: Set<String>) -> [String] {
    names.isEmpty ? [] : state.withLock { names.subtracting($0.read).sorted() }
  }

  private func keep(_ secrets: [String: Secret]) {
    if secrets.isEmpty { return }
    state.withLock { state in
      state.texts += secrets.values
      state.read.formUnion(secrets.keys)
      state.mask = Mask(state.texts)
    }
  }
}
