import CCrypto

/// A key or a machine that cannot sign.
public struct SigningError: Error, Sendable, Hashable, CustomStringConvertible {
  public var description: String
}

public enum Signing {
  /// HMAC with SHA-256 (RFC 2104): 32 bytes.
  public static func hmac(key: [UInt8], _ bytes: [UInt8]) throws(SigningError) -> [UInt8] {
    guard let length = Int32(exactly: key.count) else { throw SigningError(description: "the key is too long") }
    var code = [UInt8](repeating: 0, count: 32)
    var written: UInt32 = 0
    guard HMAC(EVP_sha256(), key, length, bytes, bytes.count, &code, &written) != nil, written == 32 else {
      throw SigningError(description: "libcrypto does not offer HMAC with SHA-256 on this machine")
    }
    return code
  }

  /// An RSA signature (PKCS #1 v1.5, SHA-256), as RS256 of JSON Web Tokens has it.
  /// - Parameter pem: a private key, PKCS #8 or PKCS #1, without a password.
  public static func rs256(pem: [UInt8], _ bytes: [UInt8]) throws(SigningError) -> [UInt8] {
    guard let size = Int32(exactly: pem.count) else { throw SigningError(description: "the key is too long") }
    let key = pem.withUnsafeBytes { text -> OpaquePointer? in
      guard let source = BIO_new_mem_buf(text.baseAddress, size) else { return nil }
      defer { BIO_free(source) }
      // A password of no length, or OpenSSL would ask for one at the terminal.
      return PEM_read_bio_PrivateKey(source, nil, { _, _, _, _ in 0 }, nil)
    }
    // What went wrong stays in a queue of the thread, where it would be taken for the next failure.
    defer { ERR_clear_error() }
    guard let key else { throw SigningError(description: "the key is no private key in PEM without a password") }
    defer { EVP_PKEY_free(key) }
    guard EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA else { throw SigningError(description: "the key is no RSA key") }
    guard let context = EVP_MD_CTX_new() else { throw SigningError(description: "there is no memory to sign") }
    defer { EVP_MD_CTX_free(context) }
    var length = 0
    guard EVP_DigestSignInit(context, nil, EVP_sha256(), nil, key) == 1,
      EVP_DigestSign(context, nil, &length, bytes, bytes.count) == 1
    else { throw SigningError(description: "libcrypto cannot sign with this key") }
    var signature = [UInt8](repeating: 0, count: length)
    guard EVP_DigestSign(context, &signature, &length, bytes, bytes.count) == 1 else {
      throw SigningError(description: "libcrypto cannot sign with this key")
    }
    return Array(signature.prefix(length))
  }
}
