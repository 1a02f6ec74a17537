import CCurl

/// Where a URL leads, read by libcurl as it reads it for the transfer: who judges by it judges what will happen.
public struct HTTPAddress: Sendable, Hashable {
  /// `http` or `https`.
  public let scheme: String
  /// Lower case; IPv6 in brackets.
  public let host: String
  /// Percent-coded; `/` at least.
  public let path: String

  /// nil where `url` is no URL of http or https.
  public init?(_ url: String) {
    guard !url.utf8.contains(0), let handle = curl_url() else { return nil }
    defer { curl_url_cleanup(handle) }
    func part(_ name: CURLUPart) -> String? {
      var text: UnsafeMutablePointer<CChar>?
      guard curl_url_get(handle, name, &text, 0) == CURLUE_OK, let text else { return nil }
      defer { curl_free(text) }
      return String(cString: text)
    }
    guard curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK,
      let scheme = part(CURLUPART_SCHEME), scheme == "http" || scheme == "https",
      let host = part(CURLUPART_HOST), !host.isEmpty
    else { return nil }
    self.scheme = scheme
    self.host = host.lowercased()
    path = part(CURLUPART_PATH) ?? "/"
  }
}
