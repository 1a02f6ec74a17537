import Glibc
import Hashing
import Model
import Storage

/// The key of the first admin, in a file that only the server's user can read. It is made on the first start and kept.
/// Whoever can write the folder is the server's owner: where the key was revoked, a new one takes its place.
enum AdminKey {
  static let fileName = "admin.key"
  static let account = "admin"

  struct Unusable: Error, CustomStringConvertible {
    var description: String

    init(description: String) { self.description = description }

    /// With the system's own words for what went wrong just now.
    init(_ path: String, _ doing: String) {
      description = "`\(path)` cannot be \(doing): \(String(cString: strerror(errno)))"
    }
  }

  /// Makes sure that the file's key opens the store. - Returns: the file's path and the key.
  static func ensure(
    in folder: String, store: any Store, now: Double
  ) async throws -> (path: String, key: KeyText) {
    let path = "\(folder)/\(fileName)"
    try await store.createEntity(Account(name: account, role: .admin).defaultEntity, now: now)
    if let key = try read(path) {
      let account = try await store.authenticate(sha256: key.digest(), now: now)
      if account?.role == .admin { return (path, key) }
      if try await add(key, to: store, now: now) { return (path, key) }
    }
    let key = KeyText.random()
    _ = try await add(key, to: store, now: now)
    try write(key, path)
    return (path, key)
  }

  /// - Returns: false where the key is known: it was revoked, or belongs to an account that is no admin any more.
  private static func add(_ key: KeyText, to store: any Store, now: Double) async throws -> Bool {
    let digest = try key.digest()
    if try await store.account(account)?.role != .admin {
      try await store.putAccount(Account(name: account, role: .admin), now: now)
    }
    do {
      _ = try await store.addKey(sha256: digest, account: account, label: fileName, now: now)
      return true
    } catch {
      if error.code == .exists { return false }
      throw error
    }
  }

  private static func read(_ path: String) throws -> KeyText? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if descriptor < 0 {
      if errno == ENOENT { return nil }
      throw Unusable(path, "read")
    }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = Glibc.read(descriptor, &buffer, buffer.count)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).filter { !$0.isWhitespace }
    guard let key = KeyText(text) else {
      throw Unusable(description: "`\(path)` holds no key; remove the file, and the next start makes a new one")
    }
    // A copied or restored file may have lost its mode.
    fchmod(descriptor, 0o600)
    return key
  }

  /// Through a file beside it, so that a crash leaves a whole key or none.
  private static func write(_ key: KeyText, _ path: String) throws {
    let part = "\(path).new"
    unlink(part)
    let descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Unusable(path, "made") }
    defer { close(descriptor) }
    let bytes = key.open { Array("\($0)\n".utf8) }
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw Unusable(path, "written")
    }
    guard rename(part, path) == 0 else { throw Unusable(path, "put in place") }
  }
}
