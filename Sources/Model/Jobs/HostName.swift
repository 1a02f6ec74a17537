/// Hosts and ports, as addresses of repositories and registries name them.
enum HostName {
  /// The number of a port: digits and no sign, 1 to 65535.
  static func port(_ text: some StringProtocol) -> Int? {
    guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int(text)
    else { return nil }
    return (1...65_535).contains(number) ? number : nil
  }

  /// This machine itself: `localhost`, or an address of 127.0.0.0/8. A name that only begins like one, such as
  /// `127.0.0.1.example`, is anybody's, and would be trusted with what never leaves this machine.
  static func isLoopback(_ host: some StringProtocol) -> Bool {
    if host == "localhost" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127"
      && parts.allSatisfy { part in
        (1...3).contains(part.utf8.count) && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
          && Int(part).map { $0 <= 255 } ?? false
      }
  }
}
