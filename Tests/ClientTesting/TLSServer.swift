import Glibc

/// OpenSSL's test server with a certificate of its own making. It ends by itself after `clients` connections.
public final class TLSServer {
  struct Failed: Error {
    let command: String
  }

  public let certificate: String
  public let key: String
  public let url: String
  private let folder: String
  private let pipe: UnsafeMutablePointer<FILE>

  /// - Parameter name: whom the certificate is for, as OpenSSL writes it.
  public init(clients: Int, name: String = "IP:127.0.0.1", asksForCertificate: Bool = false) throws {
    folder = "/tmp/lunaport-tls-\(UInt64.random(in: 0...UInt64.max))"
    mkdir(folder, 0o700)
    certificate = folder + "/certificate.pem"
    key = folder + "/key.pem"
    let make = """
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=test -addext subjectAltName=\(name) \
      -days 1 -nodes -keyout \(key) -out \(certificate) 2>/dev/null
      """
    let serve = """
      exec openssl s_server -accept 127.0.0.1:0 -naccept \(clients) -www -cert \(certificate) -key \(key) \
      \(asksForCertificate ? "-Verify 1 -verify_return_error -CAfile \(certificate)" : "") 2>/dev/null </dev/null
      """
    guard system(make) == 0, let pipe = popen(serve, "r") else { throw Failed(command: make) }
    self.pipe = pipe
    var line = [CChar](repeating: 0, count: 256)
    var port: Substring?
    while port == nil, fgets(&line, Int32(line.count), pipe) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if text.hasPrefix("ACCEPT") { port = text.split(separator: ":").last?.prefix { $0.isNumber } }
    }
    guard let port else { throw Failed(command: serve) }
    url = "https://127.0.0.1:\(port)/"
  }

  deinit {
    pclose(pipe)
    unlink(certificate)
    unlink(key)
    rmdir(folder)
  }
}
