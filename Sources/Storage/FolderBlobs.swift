import Glibc
import Hashing
import Synchronization

/// Blobs in a folder.
///
/// `sha256/ab/<hex>` is a blob's content; beside it `<hex>.md5` is a symbolic link whose text is its MD5, and
/// `md5/cd/<hex>` one whose text is its SHA-256. A link is a value that is written whole or not at all. The links are
/// made first, so that whoever finds the content finds them too. When it was last modified is when it was last stored or
/// asked for.
public final class FolderBlobs: Blobs {
  private let folder: String
  private let bytesMax: Int64
  private let threads = DiskThreads("lunaport.blobs")
  private let drafts = Atomic<Int>(0)
  /// What is found under it stays there: between the look at an old blob and its removal nobody may be told that it is
  /// there.
  private let finding = Mutex(())

  /// Makes the folder where it is new; drafts that a crash left behind are removed, so it must not be open elsewhere.
  public init(folder: String, bytesMax: Int64 = BlobLimits.bytesMax) throws(StoreError) {
    self.folder = folder
    self.bytesMax = bytesMax
    for name in ["sha256", "md5", "drafts"] { try Files.makeFolder("\(folder)/\(name)") }
    for name in try Files.names(in: "\(folder)/drafts") { unlink("\(folder)/drafts/\(name)") }
  }

  public func draft() -> String {
    "\(folder)/drafts/\(drafts.add(1, ordering: .relaxed).newValue)"
  }

  public func put(_ bytes: [UInt8], expecting expected: Digest?) async throws(StoreError) -> Blob {
    let path = draft()
    return try await threads.run { () throws(StoreError) in
      try self.require(size: Int64(bytes.count))
      var hashes = try Hashes()
      bytes.withUnsafeBytes { hashes.update($0) }
      let blob = hashes.finish(size: Int64(bytes.count))
      try FolderBlobs.require(blob, expected)
      if self.touch(blob.sha256) { return blob }
      do throws(StoreError) {
        try Files.write(bytes, to: path)
        try self.place(path, blob)
      } catch {
        unlink(path)
        throw error
      }
      return blob
    }
  }

  public func adopt(_ path: String, expecting expected: Digest?) async throws(StoreError) -> Blob {
    try await threads.run { () throws(StoreError) in
      do throws(StoreError) {
        let blob = try self.hash(path)
        try FolderBlobs.require(blob, expected)
        if self.touch(blob.sha256) { unlink(path) } else { try self.place(path, blob) }
        return blob
      } catch {
        unlink(path)
        throw error
      }
    }
  }

  public func blob(sha256: Digest) async throws(StoreError) -> Blob? {
    try await threads.run { () throws(StoreError) in try self.find(sha256) }
  }

  public func blob(md5: Digest) async throws(StoreError) -> Blob? {
    try await threads.run { () throws(StoreError) in
      guard let hex = Files.link(self.path(md5: md5)), let sha256 = Digest(hex: hex) else { return nil }
      return try self.find(sha256)
    }
  }

  public func missing(_ digests: [Digest]) async throws(StoreError) -> [Digest] {
    try await threads.run { () throws(StoreError) in digests.filter { !self.touch($0) } }
  }

  public func read(_ sha256: Digest, from offset: Int64, count: Int) async throws(StoreError) -> [UInt8] {
    guard offset >= 0 else { throw StoreError(.invalid, "a blob has no offset \(offset)") }
    return try await threads.run { () throws(StoreError) in
      let bytes = try Files.read(self.path(sha256), from: offset, count: min(count, BlobLimits.readBytesMax))
      guard let bytes else { throw StoreError(.notFound, "there is no blob \(sha256)") }
      return bytes
    }
  }

  public func file(_ sha256: Digest) -> String? {
    let path = path(sha256)
    return Files.exists(path) ? path : nil
  }

  public func removeUnused(_ used: Set<Digest>, for seconds: Double) async throws(StoreError) -> Removal {
    var removal = Removal()
    for part in try await threads.run({ () throws(StoreError) in try Files.names(in: "\(self.folder)/sha256") }) {
      removal += try await threads.run { () throws(StoreError) in
        var removal = Removal()
        for name in try Files.names(in: "\(self.folder)/sha256/\(part)") {
          guard let digest = Digest(hex: name), !used.contains(digest) else { continue }
          removal += try self.remove(digest, unusedFor: seconds)
        }
        return removal
      }
    }
    return removal
  }

  // MARK: -

  /// Whether a blob is there; then it is used now.
  private func touch(_ sha256: Digest) -> Bool {
    finding.withLock { _ in utimensat(AT_FDCWD, path(sha256), nil, 0) == 0 || Files.exists(path(sha256)) }
  }

  private func remove(_ sha256: Digest, unusedFor seconds: Double) throws(StoreError) -> Removal {
    let path = path(sha256)
    let result = finding.withLock { _ in
      Result { () throws(StoreError) -> Removal in
        var status = stat()
        guard stat(path, &status) == 0, Double(time(nil) - status.st_mtim.tv_sec) >= seconds else { return Removal() }
        let name = Files.link("\(path).md5").flatMap { Digest(hex: $0, .md5) }.map { self.path(md5: $0) }
        let removal = try Files.remove(path)
        // Where a crash leaves them here, they are made anew when the content comes back.
        unlink("\(path).md5")
        if let name, Files.link(name) == sha256.hex { unlink(name) }
        return removal
      }
    }
    return try result.get()
  }

  private func path(_ sha256: Digest) -> String {
    let hex = sha256.hex
    return "\(folder)/sha256/\(hex.prefix(2))/\(hex)"
  }

  private func path(md5: Digest) -> String {
    let hex = md5.hex
    return "\(folder)/md5/\(hex.prefix(2))/\(hex)"
  }

  private func find(_ sha256: Digest) throws(StoreError) -> Blob? {
    let path = path(sha256)
    guard let size = try Files.size(path) else { return nil }
    let md5 = Files.link("\(path).md5").flatMap { Digest(hex: $0, .md5) }
    return Blob(sha256: sha256, md5: md5, size: size)
  }

  /// Puts a verified file on disk under its hash.
  private func place(_ path: String, _ blob: Blob) throws(StoreError) {
    let content = self.path(blob.sha256)
    try Files.sync(path)
    try Files.makeFolder(Files.folder(of: content))
    if let md5 = blob.md5 {
      try Files.makeFolder(Files.folder(of: self.path(md5: md5)))
      try link(blob, md5)
      try Files.sync(Files.folder(of: self.path(md5: md5)))
    }
    let placed = finding.withLock { _ in
      Result { () throws(StoreError) in
        // The same content, long unused, may have been removed meanwhile.
        if let md5 = blob.md5 { try self.link(blob, md5) }
        guard Glibc.rename(path, content) == 0 else { throw StoreError(errno: errno, "name `\(content)`") }
      }
    }
    try placed.get()
    try Files.sync(Files.folder(of: content))
  }

  private func link(_ blob: Blob, _ md5: Digest) throws(StoreError) {
    let content = path(blob.sha256)
    if Files.link("\(content).md5") != md5.hex { try Files.makeLink("\(content).md5", to: md5.hex) }
    // Two contents may have one MD5; then it goes on naming the first.
    let name = path(md5: md5)
    let known = Files.link(name).flatMap { Digest(hex: $0) }
    if known.map({ $0 != blob.sha256 && !Files.exists(path($0)) }) ?? true {
      try Files.makeLink(name, to: blob.sha256.hex)
    }
  }

  private func require(size: Int64) throws(StoreError) {
    guard size <= bytesMax else {
      throw StoreError(.tooLarge, "the content has \(size) bytes; at most \(bytesMax) are stored")
    }
  }

  private static func require(_ blob: Blob, _ expected: Digest?) throws(StoreError) {
    guard let expected, expected != blob.sha256 else { return }
    throw StoreError(
      .mismatch, "the content has the SHA-256 \(blob.sha256), not \(expected)",
      hint: "send it again; it was changed or cut off on its way")
  }

  private func hash(_ path: String) throws(StoreError) -> Blob {
    guard let size = try Files.size(path) else { throw StoreError(.notFound, "there is no file `\(path)`") }
    try require(size: size)
    var hashes = try Hashes()
    var offset: Int64 = 0
    while let bytes = try Files.read(path, from: offset, count: BlobLimits.chunkBytes), !bytes.isEmpty {
      bytes.withUnsafeBytes { hashes.update($0) }
      offset += Int64(bytes.count)
    }
    return hashes.finish(size: offset)
  }
}

/// Both hashes of one content.
private struct Hashes: ~Copyable {
  private var sha256: Hash
  private var md5: Hash?

  init() throws(StoreError) {
    do { sha256 = try Hash(.sha256) } catch { throw StoreError(.io, error.description) }
    do { md5 = try Hash(.md5) } catch { md5 = nil }
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    sha256.update(bytes)
    md5?.update(bytes)
  }

  consuming func finish(size: Int64) -> Blob {
    Blob(sha256: sha256.finish(), md5: md5?.finish(), size: size)
  }
}
