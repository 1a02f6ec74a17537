import Arguments
import Glibc
import Model

/// Where a person's server is and with which key to call it, as `lunaport login` keeps it.
struct LoginFile: Equatable {
  var url: String
  var key: String

  /// `$XDG_CONFIG_HOME/lunaport/config`, by default under `~/.config`; nil where there is no home.
  static func path(_ environment: Environment) -> String? {
    if let folder = environment["XDG_CONFIG_HOME"], folder.hasPrefix("/") { return folder + "/lunaport/config" }
    return environment["HOME"].map { $0 + "/.config/lunaport/config" }
  }

  /// The file's content; nil where there is none.
  static func read(_ environment: Environment) throws(LocalFailure) -> LoginFile? {
    guard let path = path(environment), let bytes = try LocalFile.read(path, ifMissing: nil) else { return nil }
    guard let value = try? Value(json: bytes), let url = value["url"]?.stringValue, let key = value["key"]?.stringValue
    else {
      throw LocalFailure("\(path) is not what 'lunaport login' writes", hint: "run 'lunaport login' again")
    }
    return LoginFile(url: url, key: key)
  }

  /// Writes the file so that nobody else can read it.
  func write(_ environment: Environment) throws(LocalFailure) -> String {
    guard let path = Self.path(environment) else {
      throw LocalFailure("there is no home folder to keep the key in", hint: "set HOME, or use LUNAPORT_API_KEY")
    }
    let value: Value = ["url": .string(url), "key": .string(key)]
    try LocalFile.write(Array((value.json(pretty: true) + "\n").utf8), to: path, mode: 0o600, folderMode: 0o700)
    return path
  }
}
