import Glibc
import Model
import Processes

/// git, run as a program.
public struct GitProgram: Sendable {
  /// The whole environment of git.
  public var environment: [String: String]
  /// Of the repository, for what is said of failures.
  var host: String
  /// Bytes of a single file that git may write; nil where only the disk bounds it.
  var fileBytesMax: Int64?

  /// Seconds without progress after which git gives a transfer up.
  private static let stallSeconds = 60
  /// Bytes of git's output that are kept: the list of a big repository's files.
  private static let outputMax = 64 << 20

  /// git as the person has set it up, who runs it: with their helpers and keys. Nothing is asked for on the terminal.
  public static func ofPerson(
    remote: GitRemote, environment: [String: String] = BaseEnvironment.current(),
    variable: (String) -> String? = { BaseEnvironment.variable($0) }
  ) -> GitProgram {
    var environment = environment
    for name in passed + ["SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME"] {
      environment[name] = variable(name)
    }
    environment.merge(always) { $1 }
    return GitProgram(environment: environment, host: remote.host)
  }

  /// git for an agent, which fetches what others name: no configuration of the machine, its user or the repository is
  /// heeded, nothing but the network is read, and what is fetched can run nothing.
  ///
  /// - Parameters:
  ///   - key: file with the private key, for ssh.
  ///   - login: user name and password, sent only to the remote's own host.
  ///   - knownHosts: files with the keys of hosts, for ssh.
  ///   - authorities: file with certificates (PEM) of authorities that are trusted beside the machine's own, for https.
  public static func ofAgent(
    remote: GitRemote, key: String?, login: (user: String, password: String)?, knownHosts: [String],
    authorities: String? = nil, fileBytesMax: Int64?,
    variable: (String) -> String? = { BaseEnvironment.variable($0) }
  ) -> GitProgram {
    var environment = BaseEnvironment.current()
    for name in passed { environment[name] = variable(name) }
    if let authorities { environment["GIT_SSL_CAINFO"] = authorities }
    environment.merge(always) { $1 }
    environment["GIT_CONFIG_NOSYSTEM"] = "1"
    environment["GIT_CONFIG_GLOBAL"] = "/dev/null"
    environment["GIT_ATTR_NOSYSTEM"] = "1"
    environment["GIT_PROTOCOL_FROM_USER"] = "0"
    environment["GIT_SSH_COMMAND"] = ssh(key: key, knownHosts: knownHosts)
    var settings = [
      ("core.hooksPath", "/dev/null"), ("core.fsmonitor", "false"), ("core.symlinks", "true"),
      ("init.defaultBranch", "main"), ("advice.detachedHead", "false"), ("gc.auto", "0"), ("maintenance.auto", "false"),
      ("submodule.recurse", "false"), ("fetch.recurseSubmodules", "false"), ("transfer.bundleURI", "false"),
      ("protocol.allow", "never"), ("protocol.https.allow", "always"), ("protocol.ssh.allow", "always"),
      ("http.lowSpeedLimit", "1"), ("http.lowSpeedTime", "\(stallSeconds)"), ("credential.helper", ""),
    ]
    // What a repository names as its parts must not come on a way less safe than its own.
    if remote.way == .http { settings.append(("protocol.http.allow", "always")) }
    if let login, remote.way != .ssh {
      let origin = "\(remote.way.rawValue)://\(remote.host)" + (remote.port.map { ":\($0)" } ?? "")
      // In the environment, for a command line can be read by everybody on the machine.
      environment["LUNAPORT_GIT_USER"] = login.user
      environment["LUNAPORT_GIT_PASSWORD"] = login.password
      settings.append(
        (
          "credential.\(origin).helper",
          "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$LUNAPORT_GIT_USER\" \"$LUNAPORT_GIT_PASSWORD\"; }; f"
        ))
    }
    environment["GIT_CONFIG_COUNT"] = String(settings.count)
    for (index, setting) in settings.enumerated() {
      environment["GIT_CONFIG_KEY_\(index)"] = setting.0
      environment["GIT_CONFIG_VALUE_\(index)"] = setting.1
    }
    return GitProgram(environment: environment, host: remote.host, fileBytesMax: fileBytesMax)
  }

  /// Whether there is a git to run.
  public static func isInstalled(path: String = BaseEnvironment.current()["PATH"] ?? "") -> Bool {
    path.split(separator: ":").contains { access("\($0)/git", X_OK) == 0 }
  }

  /// How the network is reached from here, and which authorities are trusted there. `SSL_CERT_FILE` is not among them: git
  /// on Debian does not read it.
  private static let passed = [
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
  ]

  private static let always = [
    // Failures are told apart by git's words.
    "LC_ALL": "C", "LANGUAGE": "", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_OPTIONAL_LOCKS": "0",
  ]

  private static func ssh(key: String?, knownHosts: [String]) -> String {
    var words = [
      "ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o",
      "UserKnownHostsFile=\"" + knownHosts.joined(separator: "\" \"") + "\"", "-o", "IdentityAgent=none", "-o",
      "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3",
      "-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
    ]
    words += key.map { ["-i", $0] } ?? ["-o", "PubkeyAuthentication=no"]
    return words.map(quoted).joined(separator: " ")
  }

  private static func quoted(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// What git printed.
  /// - Parameter timeout: seconds.
  public func run(_ words: [String], in folder: String? = nil, timeout: Double) async throws(GitFailure) -> [UInt8] {
    var arguments = ["git"] + words
    if let fileBytesMax {
      // Of 512 bytes each, as POSIX counts them.
      arguments = ["/bin/sh", "-c", "ulimit -f \"$0\" && exec \"$@\"", String(fileBytesMax / 512)] + arguments
    }
    let result: Command.Result
    do throws(ProcessFailure) {
      result = try await Command(
        arguments, environment: environment, folder: folder, timeout: timeout, outputLimit: Self.outputMax
      ).run()
    } catch { throw GitFailure(error) }
    if result.succeeded {
      if result.isTruncated { throw GitFailure(.tooLarge, "the repository has more files than may be fetched") }
      return result.output
    }
    if result.timedOut {
      throw GitFailure(.timeout, "\(host) took longer than \(Quantity.text(seconds: timeout)) with the repository")
    }
    let text = String(decoding: result.error, as: UTF8.self)
    if result.exitCode == 127, text.contains("git") {
      throw GitFailure(.noGit, "there is no git on this machine", hint: "install git")
    }
    throw GitFailure(printed: text, host: host)
  }
}
