import Glibc

/// What a program gets of the agent's own environment: enough to run, and nothing that could carry a credential.
public enum BaseEnvironment {
  public static let names = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"]
  /// Where commands are looked for when the agent itself has no PATH.
  public static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// The named variables that the agent has, and always a PATH.
  public static func current() -> [String: String] {
    var found = ["PATH": defaultPath]
    for name in names { if let value = variable(name), !value.isEmpty { found[name] = value } }
    return found
  }

  /// One variable of this process.
  public static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }
}
