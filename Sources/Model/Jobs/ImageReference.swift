/// Which image: registry, repository, and a tag or a digest or both. Read as Docker reads it, and always kept whole:
/// `alpine` is `docker.io/library/alpine:latest`, on every machine.
public struct ImageReference: Sendable, Hashable {
  /// Host, with a port where one was given: `docker.io`, `localhost:5000`.
  public var registry: String
  /// Path within the registry: `library/alpine`.
  public var repository: String
  public var tag: String?
  /// `sha256:` and 64 hexadecimal digits.
  public var digest: String?

  /// Where names without a registry live.
  public static let dockerHub = "docker.io"
  /// Bytes of registry and repository together, as registries bound them.
  private static let nameBytesMax = 255
  private static let tagBytesMax = 128

  /// Reads `alpine`, `alpine:3.20`, `team/app@sha256:...`, `registry.example:5000/team/app:1.0`.
  public init(_ text: String) throws(SourceProblem) {
    guard !text.isEmpty else { throw SourceProblem("an image has a name", hint: "such as alpine:3.20") }
    if let scheme = ["https://", "http://", "docker://", "oci://"].first(where: { text.hasPrefix($0) }) {
      throw SourceProblem("an image is named without \(scheme)", hint: "write \(text.dropFirst(scheme.count))")
    }
    var name = text[...]
    if let at = name.firstIndex(of: "@") {
      let digest = String(name[name.index(after: at)...])
      guard Self.isDigest(digest) else {
        throw SourceProblem(
          "`\(digest)` is no digest of an image", hint: "a digest is sha256: and 64 hexadecimal digits")
      }
      self.digest = digest
      name = name[..<at]
    }
    // A colon before the last slash belongs to the registry's port.
    let afterSlash = name.lastIndex(of: "/").map { name.index(after: $0) } ?? name.startIndex
    if let colon = name[afterSlash...].firstIndex(of: ":") {
      let tag = String(name[name.index(after: colon)...])
      guard Self.isTag(tag) else {
        throw SourceProblem(
          "`\(tag)` is no tag of an image",
          hint:
            "a tag is letters, digits, `_`, `.` and `-`, at most \(Self.tagBytesMax), and starts with none of the last two"
        )
      }
      self.tag = tag
      name = name[..<colon]
    }
    (registry, repository) = Self.split(name)
    try check(written: String(name))
    if tag == nil, digest == nil { tag = "latest" }
  }

  /// The first part is a registry only where it looks like a host; else the name is one of Docker Hub.
  private static func split(_ name: Substring) -> (registry: String, repository: String) {
    var registry = dockerHub
    var repository = String(name)
    if let slash = name.firstIndex(of: "/") {
      let first = name[..<slash]
      if first.contains(".") || first.contains(":") || first == "localhost" || first.contains(where: \.isUppercase) {
        registry = String(first)
        repository = String(name[name.index(after: slash)...])
      }
    }
    if registry == "index.docker.io" { registry = dockerHub }
    if registry == dockerHub, !repository.contains("/") { repository = "library/" + repository }
    return (registry, repository)
  }

  private func check(written name: String) throws(SourceProblem) {
    guard Self.isRegistry(registry) else {
      throw SourceProblem("`\(registry)` is no host of a registry", hint: "such as registry.example:5000")
    }
    guard name.utf8.count <= Self.nameBytesMax else {
      throw SourceProblem("the image's name is longer than \(Self.nameBytesMax) characters")
    }
    for part in repository.split(separator: "/", omittingEmptySubsequences: false) where !Self.isPathPart(part) {
      if part.contains(where: { $0.isASCII && $0.isUppercase }) {
        throw SourceProblem(
          "the image's name has capital letters in `\(part)`", hint: "write \(repository.lowercased())")
      }
      throw SourceProblem(
        part.isEmpty ? "the image's name has an empty part" : "`\(part)` cannot be part of an image's name",
        hint: "parts are lower-case letters and digits, with single `.`, `_`, `__` or any number of `-` between")
    }
  }
}

extension ImageReference {
  /// `docker.io/library/alpine:3.20@sha256:...`: whole, so that it means the same everywhere.
  public var text: String {
    name + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "")
  }

  /// `docker.io/library/alpine`
  public var name: String { "\(registry)/\(repository)" }

  /// As targets take it: by digest where that is known, else by tag. Never both, for Podman takes no such reference.
  public var pinned: String {
    digest.map { "\(name)@\($0)" } ?? "\(name):\(tag ?? "latest")"
  }

  /// As people write it: without what Docker adds by itself.
  public var short: String { shortName + (tag.map { ":\($0)" } ?? "") + (digest.map { "@\($0)" } ?? "") }

  /// `alpine`, `team/app`, `registry.example/team/app`
  public var shortName: String {
    if registry != Self.dockerHub { return name }
    return repository.hasPrefix("library/") ? String(repository.dropFirst("library/".count)) : repository
  }

  /// The alias that a tag gives a version; nil for `latest`, which is there anyway. A tag that reads like the number of a
  /// version (`v3`) cannot be one as it is.
  public var alias: String? {
    guard let tag, tag != "latest" else { return nil }
    let safe = Name.safe(tag)
    return safe.hasPrefix("v") && Int(safe.dropFirst()) != nil ? "tag-\(safe)" : safe
  }

  /// The registry is on this machine, where Docker takes it without TLS.
  public var isLocal: Bool {
    HostName.isLoopback(registry.split(separator: ":").first ?? "")
  }
}

extension ImageReference: Codable {
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    do throws(SourceProblem) {
      self = try ImageReference(text)
    } catch {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: error.message, underlyingError: error))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

// MARK: The grammar

extension ImageReference {
  /// Hexadecimal digits of each kind of digest that registries give out.
  private static let digestLengths = ["sha256": 64, "sha512": 128]

  static func isDigest(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let length = digestLengths[String(parts[0])] else { return false }
    return parts[1].utf8.count == length
      && parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func isTag(_ text: String) -> Bool {
    guard (1...tagBytesMax).contains(text.utf8.count), let first = text.utf8.first else { return false }
    return isWord(first) && text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }

  private static func isRegistry(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count) else { return false }
    if parts.count == 2, HostName.port(parts[1]) == nil { return false }
    return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
      guard let first = label.utf8.first, let last = label.utf8.last else { return false }
      return isAlphanumeric(first) && isAlphanumeric(last)
        && label.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }
  }

  /// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
  private static func isPathPart(_ part: Substring) -> Bool {
    var separator = ""
    var wasWord = false
    for byte in part.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        separator = ""
        wasWord = true
      case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        guard wasWord else { return false }
        separator.unicodeScalars.append(Unicode.Scalar(byte))
        guard [".", "_", "__"].contains(separator) || separator.utf8.allSatisfy({ $0 == UInt8(ascii: "-") }) else {
          return false
        }
      default: return false
      }
    }
    return wasWord && separator.isEmpty
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isWord(byte) && byte != UInt8(ascii: "_")
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
