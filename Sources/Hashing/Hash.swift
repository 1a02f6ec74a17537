import CCrypto

/// The value of a hash: 32 bytes of SHA-256 or 16 of MD5.
public struct Digest: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// Reads lower- or upper-case hexadecimal of `kind`'s length; nil for anything else.
  public init?(hex: String, _ kind: Hash.Kind = .sha256) {
    let digits = Array(hex.utf8)
    guard digits.count == 2 * kind.size else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(kind.size)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Digest.nibble(digits[index]), let low = Digest.nibble(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self.bytes = bytes
  }

  /// Lower-case hexadecimal.
  public var hex: String {
    let alphabet = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: bytes.count * 2) { out in
      for (index, byte) in bytes.enumerated() {
        out[2 * index] = alphabet[Int(byte >> 4)]
        out[2 * index + 1] = alphabet[Int(byte & 15)]
      }
      return bytes.count * 2
    }
  }

  public var description: String { hex }
  public static func < (a: Digest, b: Digest) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

/// libcrypto refused: it has no such hash (a FIPS build has no MD5), or no memory.
public struct HashError: Error, Sendable, Hashable, CustomStringConvertible {
  public var kind: Hash.Kind
  public var description: String { "libcrypto does not offer \(kind.rawValue) on this machine" }
}

/// An incremental hash: `update` as often as there are bytes, then `finish` once.
public struct Hash: ~Copyable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case sha256 = "SHA-256"
    case md5 = "MD5"

    /// Bytes of a digest.
    public var size: Int { self == .sha256 ? 32 : 16 }
  }

  public let kind: Kind
  private let context: OpaquePointer

  public init(_ kind: Kind) throws(HashError) {
    guard let context = EVP_MD_CTX_new() else { throw HashError(kind: kind) }
    guard EVP_DigestInit_ex(context, kind == .sha256 ? EVP_sha256() : EVP_md5(), nil) == 1 else {
      EVP_MD_CTX_free(context)
      throw HashError(kind: kind)
    }
    self.kind = kind
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    // Cannot fail once initialised; with no bytes the base address may be nil, which libcrypto need not see.
    if !bytes.isEmpty { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }
  }

  public mutating func update(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { update($0) }
  }

  /// The digest of everything so far. Consumes the hash, for its state is gone.
  public consuming func finish() -> Digest {
    var bytes = [UInt8](repeating: 0, count: kind.size)
    EVP_DigestFinal_ex(context, &bytes, nil)
    return Digest(bytes: bytes)
  }

  /// The digest of `bytes` in one call.
  public static func of(_ bytes: [UInt8], _ kind: Kind = .sha256) throws(HashError) -> Digest {
    var hash = try Hash(kind)
    hash.update(bytes)
    return hash.finish()
  }

  /// The digest of the UTF-8 bytes of `text`.
  public static func of(_ text: String, _ kind: Kind = .sha256) throws(HashError) -> Digest {
    try of(Array(text.utf8), kind)
  }
}
