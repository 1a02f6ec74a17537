import HTTP

extension HTTPClient {
  /// What holds for every request of a client.
  public struct Configuration: Sendable {
    public var userAgent = "lunaport"
    /// Time to reach a peer, names and TLS included.
    public var connectTimeout = Duration.seconds(10)
    /// Idle connections that are kept for later requests.
    public var pooledConnections = 64
    /// How long an idle connection is trusted. Shorter than the server keeps it, so that a request rarely meets a
    /// connection that is just being closed.
    public var pooledFor = Duration.seconds(55)
    /// Connections to one host at a time; further requests wait. 0 means no limit.
    public var connectionsPerHost = 0
    /// Certificates to trust instead of the system's, as a PEM file.
    public var authorityFile: String?
    /// The client's own certificate and key, as PEM files.
    public var certificateFile: String?
    public var keyFile: String?

    public init() {}
  }

  public enum Body: Sendable {
    case none
    case bytes([UInt8])
    /// Read while it is sent; its length is that at the start.
    case file(path: String)
  }

  /// Whom a request trusts, and as whom it comes, instead of what its client's configuration says. PEM texts.
  public struct TLS: Sendable, Hashable {
    /// Certificates to trust instead of the system's.
    public var authorities: [UInt8]?
    /// The client's own certificate and key.
    public var certificate: [UInt8]?
    public var key: [UInt8]?
    /// The name that the server's certificate must be for, where it is not the URL's.
    public var serverName: String?
    /// Takes any certificate: who answers may be anybody.
    public var trustsAnybody: Bool

    public init(
      authorities: [UInt8]? = nil, certificate: [UInt8]? = nil, key: [UInt8]? = nil, serverName: String? = nil,
      trustsAnybody: Bool = false
    ) {
      self.authorities = authorities
      self.certificate = certificate
      self.key = key
      self.serverName = serverName
      self.trustsAnybody = trustsAnybody
    }
  }

  /// Signs a request as AWS wants it (Signature Version 4).
  ///
  /// libcurl signs path and query as they stand: of services other than S3, paths that need percent-coding fail; a query
  /// must be sorted, each of its names with a `=`.
  public struct AWSSignature: Sendable, Hashable {
    public var region: String
    public var service: String
    public var key: String
    public var secret: String
    /// SHA-256 of the body in hexadecimal; libcurl cannot work it out of a body that it reads piece by piece.
    public var bodyDigest: String

    public init(region: String, service: String, key: String, secret: String, bodyDigest: String) {
      self.region = region
      self.service = service
      self.key = key
      self.secret = secret
      self.bodyDigest = bodyDigest
    }
  }

  public struct Request: Sendable {
    public var method: HTTPMethod
    /// `http` or `https`.
    public var url: String
    public var headers: HTTPHeaders
    public var body: Body
    /// From the start to the last byte of the answer; `nil` for streams without an end. In milliseconds at the finest.
    public var timeout: Duration?
    /// The longest time without a byte, in whole seconds; what bounds a stream. libcurl takes the mean of the last five
    /// seconds, so it may take that much longer.
    public var stallTimeout: Duration?
    /// Redirects that are followed. None by default: an API that redirects is a mistake in the URL.
    public var redirects = 0
    /// Connects to this Unix socket instead of the host of the URL.
    public var unixSocket: String?
    public var tls: TLS?
    public var awsSignature: AWSSignature?
    /// The most bytes an answer may have that is held in memory.
    public var responseLimit = 64 << 20
    /// The most bytes an answer may have that is written to a file.
    public var fileLimit = Int.max
    /// Ends a longer answer at the limit, instead of failing.
    public var mayCut = false

    public init(
      _ method: HTTPMethod = .get, _ url: String, headers: HTTPHeaders = [:], body: Body = .none,
      timeout: Duration? = .seconds(30)
    ) {
      self.method = method
      self.url = url
      self.headers = headers
      self.body = body
      self.timeout = timeout
    }
  }

  /// The first part of an answer.
  public struct Head: Sendable, Equatable {
    public var status: Int
    public var headers: HTTPHeaders
  }

  public struct Response: Sendable, Equatable {
    public var status: Int
    public var headers: HTTPHeaders
    public var body: [UInt8]
    /// More would have followed; see `Request.mayCut`.
    public var isCut: Bool

    public init(status: Int, headers: HTTPHeaders, body: [UInt8], isCut: Bool = false) {
      self.status = status
      self.headers = headers
      self.body = body
      self.isCut = isCut
    }
  }
}
