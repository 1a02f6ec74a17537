import Hashing

/// Content by its hash: what was stored is whole, is what its hash says, and never changes.
public protocol Blobs: Sendable {
  /// Stores bytes; they are on disk when this returns. Storing what is there already changes nothing.
  /// - Throws: `mismatch` where the bytes do not have the hash `expected`, `tooLarge`, `full`.
  func put(_ bytes: [UInt8], expecting expected: Digest?) async throws(StoreError) -> Blob

  /// A name for a file to be written and then given to `adopt`.
  func draft() -> String

  /// Takes a finished file over, which is gone from `path` afterwards, whether it was taken or refused.
  /// - Throws: as `put`.
  func adopt(_ path: String, expecting expected: Digest?) async throws(StoreError) -> Blob

  /// What is known of a blob; nil where it is not there.
  func blob(sha256: Digest) async throws(StoreError) -> Blob?
  func blob(md5: Digest) async throws(StoreError) -> Blob?

  /// Those of `digests` that are not there, in their order. The others count as used now: who asks is about to name
  /// them.
  func missing(_ digests: [Digest]) async throws(StoreError) -> [Digest]

  /// At most `count` bytes from `offset`; fewer at the end, none beyond it.
  /// - Throws: `notFound`.
  func read(_ sha256: Digest, from offset: Int64, count: Int) async throws(StoreError) -> [UInt8]

  /// A local file with the content, to be read and never written; nil where the blobs are not kept in files.
  func file(_ sha256: Digest) -> String?

  /// Removes what is not among `used` and was neither stored nor asked for in `missing` for `seconds`. Crash and call
  /// again as often as you like.
  func removeUnused(_ used: Set<Digest>, for seconds: Double) async throws(StoreError) -> Removal
}

public struct Blob: Sendable, Hashable {
  public var sha256: Digest
  /// Nil only where the machine's libcrypto has no MD5.
  public var md5: Digest?
  /// Bytes.
  public var size: Int64

  public init(sha256: Digest, md5: Digest?, size: Int64) {
    self.sha256 = sha256
    self.md5 = md5
    self.size = size
  }
}

public enum BlobLimits {
  /// Bytes of one blob at most: a model's weights fit, a runaway upload does not fill the disk.
  public static let bytesMax: Int64 = 16 << 30
  /// Bytes that one read gives at most; larger blobs are read in pieces.
  public static let readBytesMax = 8 << 20
  /// Bytes hashed at once.
  static let chunkBytes = 256 << 10
}
