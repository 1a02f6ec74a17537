import Arguments
import Client
import Glibc
import Model

extension Lunaport {
  var loginCommand: Command {
    Command(
      "login", "Keep a server's address and your key for all other commands.",
      discussion: """
        The key is read from LUNAPORT_API_KEY or from standard input, never from the command line, where others could \
        see it. It is tried, and kept in ~/.config/lunaport/config, which only you can read.

          lunaport login http://127.0.0.1:8080 < data/admin.key
        """
    ) { declare in
      let url = declare.argument("url", .string, help: "Address of the server.")
      return { values, console in
        guard let key = try environment["LUNAPORT_API_KEY"] ?? readKey(console), !key.isEmpty else {
          throw LocalFailure("no key was given", hint: "type it, or pass it: lunaport login URL < FILE")
        }
        let client = try Self.client(values[url], key: key)
        let viewer = try await client.viewer()
        let path = try LoginFile(url: client.url, key: key).write(environment)
        try console.print(
          printable("logged in to \(client.url) as \(viewer.name) (\(viewer.role.rawValue)); kept in \(path)"))
        return .ok
      }
    }
  }

  private static func client(_ url: String, key: String) throws -> APIClient {
    try ServerOptions.client(url: url, Environment(["LUNAPORT_API_KEY": key]))
  }

  /// The first line of standard input; asked for, and not shown, on a terminal.
  private func readKey(_ console: Console) throws(LocalFailure) -> String? {
    let isTerminal = isatty(STDIN_FILENO) == 1
    var before = termios()
    if isTerminal {
      console.report("API key:")
      tcgetattr(STDIN_FILENO, &before)
      var silent = before
      silent.c_lflag &= ~tcflag_t(ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &silent)
    }
    defer { if isTerminal { tcsetattr(STDIN_FILENO, TCSANOW, &before) } }
    if isTerminal { return readLine() }
    let text = String(decoding: try LocalFile.read(STDIN_FILENO, named: "standard input"), as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).first.map { $0.filter { !$0.isWhitespace } }
  }
}
