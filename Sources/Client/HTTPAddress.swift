import CCurl

/// Where a URL leads, read by libcurl as it reads it for the transfer: who judges by it judges what will happen.
public struct HTTPAddress: Sendable, Hashable {
  private let url: String
  /// Lower case; IPv6 in brackets.
  public let host: String
  public let port: Int

  /// nil where `url` is no URL of http or https.
  public init?(_ url: String) {
    guard let handle = HTTPAddress.parsed(url) else { return nil }
    defer { curl_url_cleanup(handle) }
    guard let scheme = HTTPAddress.part(CURLUPART_SCHEME, of: handle), scheme == "http" || scheme == "https",
      let host = HTTPAddress.part(CURLUPART_HOST, of: handle), !host.isEmpty,
      let port = HTTPAddress.part(CURLUPART_PORT, of: handle, flags: UInt32(CURLU_DEFAULT_PORT)).flatMap({ Int($0) })
    else { return nil }
    self.url = url
    self.host = host.lowercased()
    self.port = port
  }

  /// The URL with another host.
  func url(host: String) -> String? {
    guard !host.utf8.contains(0), let handle = HTTPAddress.parsed(url) else { return nil }
    defer { curl_url_cleanup(handle) }
    guard curl_url_set(handle, CURLUPART_HOST, host, 0) == CURLUE_OK else { return nil }
    return HTTPAddress.part(CURLUPART_URL, of: handle)
  }

  /// To be freed.
  private static func parsed(_ url: String) -> OpaquePointer? {
    guard !url.utf8.contains(0), let handle = curl_url() else { return nil }
    if curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK { return handle }
    curl_url_cleanup(handle)
    return nil
  }

  private static func part(_ name: CURLUPart, of handle: OpaquePointer, flags: UInt32 = 0) -> String? {
    var text: UnsafeMutablePointer<CChar>?
    guard curl_url_get(handle, name, &text, flags) == CURLUE_OK, let text else { return nil }
    defer { curl_free(text) }
    return String(cString: text)
  }
}
