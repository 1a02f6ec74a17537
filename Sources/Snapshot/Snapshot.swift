import Glibc
import Hashing
import Model

/// A folder by its content: the manifest, and where the bytes of each blob are.
public struct Snapshot: Sendable {
  /// Content that the server has to have.
  public struct Blob: Sendable, Hashable {
    public enum Content: Sendable, Hashable {
      case file(path: String)
      case bytes([UInt8])
    }
    public var sha256: String
    public var size: Int64
    public var content: Content
  }

  public var manifest: Manifest
  /// SHA-256 of the manifest's own bytes: the identity of the folder's content.
  public var digest: String
  /// The files' content, each once, and the manifest last: who has the manifest has all that it names.
  public var blobs: [Blob]

  /// Bytes that are read at once.
  private static let chunk = 1 << 20

  /// Reads and hashes every file of the folder.
  /// - Parameter progress: told how many bytes were hashed so far.
  public init(
    _ folder: Folder, limits: SnapshotLimits = SnapshotLimits(), progress: (Int64) -> Void = { _ in }
  ) throws(SnapshotError) {
    if let problem = folder.problems(limits).first { throw problem }
    var files: [Manifest.File] = []
    var contents: [Blob] = []
    var known: Set<String> = []
    var done: Int64 = 0
    for entry in folder.entries {
      switch entry.kind {
      case .link(let target):
        files.append(Manifest.File(path: entry.path, sha256: "", size: 0, executable: false, link: target))
      case .file(let size, let executable):
        let path = folder.path + "/" + entry.path
        let digest = try Self.hash(path, size: size, named: entry.path)
        files.append(Manifest.File(path: entry.path, sha256: digest, size: size, executable: executable))
        if known.insert(digest).inserted {
          contents.append(Blob(sha256: digest, size: size, content: .file(path: path)))
        }
        done += size
        progress(done)
      }
    }
    manifest = Manifest(files: files)
    let bytes: [UInt8]
    do {
      bytes = Array(try Value(encoding: manifest).json().utf8)
      digest = try Hash.of(bytes).hex
    } catch {
      throw SnapshotError(.unreadable, "the list of files cannot be written: \(error)")
    }
    blobs = contents + [Blob(sha256: digest, size: Int64(bytes.count), content: .bytes(bytes))]
  }

  private static func hash(_ path: String, size: Int64, named name: String) throws(SnapshotError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else {
      throw SnapshotError(
        .unreadable, "cannot read \(name): \(String(cString: strerror(errno)))",
        hint: errno == EACCES ? "let yourself read it, or leave it out with .lunaportignore" : nil)
    }
    defer { close(descriptor) }
    var hash: Hash
    do { hash = try Hash(.sha256) } catch { throw SnapshotError(.unreadable, "\(error)") }
    var total: Int64 = 0
    var buffer = [UInt8](repeating: 0, count: Int(min(max(size, 1), Int64(chunk))))
    while true {
      let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else {
        throw SnapshotError(.unreadable, "cannot read \(name): \(String(cString: strerror(errno)))")
      }
      if count == 0 { break }
      buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      total += Int64(count)
    }
    guard total == size else {
      throw SnapshotError(
        .changed, "\(name) changed while it was read", hint: "run this again when nothing writes to the folder")
    }
    return hash.finish().hex
  }
}
