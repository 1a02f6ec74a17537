import Processes

/// An authority of certificates, which nobody trusts who was not told to.
public final class GitAuthority: Sendable {
  private let root: String
  /// Its own certificate, as PEM.
  public var file: String { "\(root)/authority.pem" }

  public init() async throws {
    root = "/tmp/lunaport-authority-\(UInt64.random(in: 0...UInt64.max))"
    try Disk.makeFolder(root)
    try await make(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout authority.key -out authority.pem "
        + "-days 2 -subj /CN=own -addext basicConstraints=critical,CA:true")
  }

  deinit { try? Disk.remove(root) }

  /// Writes into `folder` a key and the certificate of a host on loopback.
  func certify(_ folder: String) async throws {
    try await make(
      """
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \(folder)/key.pem -out request.pem \
      -subj /CN=host
      echo subjectAltName=IP:127.0.0.1 >extensions
      openssl x509 -req -in request.pem -CA authority.pem -CAkey authority.key -CAcreateserial -days 2 \
      -extfile extensions -out \(folder)/certificate.pem
      """)
  }

  private func make(_ script: String) async throws {
    let made = try await Command(["/bin/sh", "-ec", script], folder: root, timeout: 60).run()
    guard made.succeeded else {
      throw GitHost.Broken(description: "no certificate: \(String(decoding: made.error, as: UTF8.self))")
    }
  }
}
