import Glibc
import Model
import Hashing
import Storage

/// The key of the first admin, in a file that only the server's user can read. It is made on the first start and kept.
/// Whoever can write the folder is the server's owner: where the key was revoked, a new one takes its place.
enum AdminKey {
  static let fileName = "admin.key"
  static let account = "admin"

  struct Unusable: Error, CustomStringConvertible {
    var description: String
  }

  /// Makes sure that the file's key opens the store. - Returns: the file's path and the key.
  static func ensure(
    in folder: String, store: any Store, now: Double
  ) async throws -> (path: String, key: KeyText) {
    let path = "\(folder)/\(fileName)"
    try await store.createEntity(Account(name: account, role: .admin).defaultEntity, now: now)
    if let key = try read(path) {
      let digest = try key.digest()
      if try await store.authenticate(sha256: digest, now: now)?.role == .admin { return (path, key) }
      do {
        try await add(key, to: store, now: now)
        return (path, key)
      } catch let error where error.code == .exists {
        // It was revoked, or belongs to an account that is no admin any more.
      }
    }
    var random = SystemRandomNumberGenerator()
    let key = KeyText(using: &random)
    try await add(key, to: store, now: now)
    try write(key, path)
    return (path, key)
  }

  private static func add(_ key: KeyText, to store: any Store, now: Double) async throws(StoreError) {
    let digest: Digest
    do { digest = try key.digest() } catch { throw StoreError(.defect, "\(error)") }
    if try await store.account(account)?.role != .admin {
      try await store.putAccount(Account(name: account, role: .admin), now: now)
    }
    _ = try await store.addKey(sha256: digest, account: account, label: fileName, now: now)
  }

  private static func read(_ path: String) throws -> KeyText? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    if descriptor < 0 {
      if errno == ENOENT { return nil }
      throw Unusable(description: "`\(path)` cannot be read: \(String(cString: strerror(errno)))")
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
    func failed(_ doing: String) -> Unusable {
      Unusable(description: "`\(path)` cannot be \(doing): \(String(cString: strerror(errno)))")
    }
    guard descriptor >= 0 else { throw failed("made") }
    defer { close(descriptor) }
    let bytes = key.open { Array("\($0)\n".utf8) }
    guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw failed("written")
    }
    guard rename(part, path) == 0 else { throw failed("put in place") }
  }
}
