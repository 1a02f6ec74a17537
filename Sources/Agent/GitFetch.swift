import Git
import Glibc
import Model
import Processes
import Scripting

/// How an agent fetches what git jobs name: with its own secrets, and only to the hosts that these are for.
struct GitFetch: Sendable {
  private let secrets: any Secrets
  /// Files with the keys of hosts, for ssh; each is read if it is there.
  private let knownHosts: [String]
  /// File with certificates of authorities that are trusted beside the machine's own, for https; read if it is there.
  private let authorities: String
  private let limits: GitCheckout.Limits
  /// By which a later life of the agent knows what this one has left running.
  private let mark: String?

  /// Of the file with a private key, beside the folder that is fetched into.
  private static let keySuffix = ".key"

  /// The user name that hosts take where only the token counts.
  private static let tokenUser = "x-access-token"

  init(_ settings: AgentSettings, limits: GitCheckout.Limits = GitCheckout.Limits()) {
    secrets = settings.secrets
    let home = BaseEnvironment.variable("HOME").map { ["\($0)/.ssh/known_hosts"] } ?? []
    knownHosts = ["\(settings.data)/known_hosts"] + home
    authorities = "\(settings.data)/git-ca.pem"
    self.limits = limits
    mark = settings.local?.root
  }

  /// Puts the files of a commit into a new folder at `path`.
  /// - Returns: what is in the source's own folder, and what people should know of it.
  func fetch(_ source: GitSource, to path: String) async throws(SourceFailure) -> (Manifest, notes: [String]) {
    // The server has looked at it already; but it is this machine that would do what it says.
    if let problem = source.problems.first { throw SourceFailure(message: problem.text) }
    let remote: GitRemote
    do throws(SourceProblem) { remote = try GitRemote(source.url) } catch { throw SourceFailure(message: error.text) }
    let key = path + Self.keySuffix
    defer { unlink(key) }
    do {
      try Disk.makeFolder(path)
      let checkout = GitCheckout(source, remote, try program(source, remote, key: key), limits: limits)
      let notes = try await checkout.write(to: path)
      let folder = path + (source.folder.map { "/" + $0 } ?? "")
      guard !Disk.isLink(folder), Disk.isFolder(folder) else {
        throw SourceFailure(message: "the commit has no folder `\(source.folder ?? "")`")
      }
      return (try Manifest(folder: folder), notes)
    } catch let failure as GitFailure {
      var hint = failure.hint
      switch failure.code {
      case .unknownHost:
        let port = remote.port.map { "-p \($0) " } ?? ""
        hint = "after checking it: ssh-keyscan \(port)\(remote.host) >>\(knownHosts[0])"
      case .untrusted:
        hint = "if its authority is your own, put that authority's certificate (PEM) into \(authorities)"
      default: break
      }
      throw SourceFailure(message: failure.message + (hint.map { " (\($0))" } ?? ""), isPassing: failure.isPassing)
    } catch let failure as ProcessFailure {
      throw SourceFailure(message: "\(failure)")
    } catch {
      throw error as? SourceFailure ?? SourceFailure(message: "\(error)")
    }
  }

  private func program(_ source: GitSource, _ remote: GitRemote, key: String) throws -> GitProgram {
    var login: (user: String, password: String)?
    var keyFile: String?
    if let name = source.secret {
      let secret: Secret
      do throws(SecretFailure) { secret = try secrets.secret(name) } catch {
        throw SourceFailure(message: "\(error.message) (\(error.hint))")
      }
      switch remote.way {
      case .ssh:
        // OpenSSH takes no key whose last line has no end.
        try secret.open { try Disk.write(key, Array(($0 + "\n").utf8), mode: 0o600) }
        keyFile = key
      case .https, .http:
        login = secret.open { (source.user ?? remote.user ?? Self.tokenUser, $0) }
      }
    }
    var program = GitProgram.ofAgent(
      remote: remote, key: keyFile, login: login, knownHosts: knownHosts,
      authorities: Disk.exists(authorities) ? authorities : nil, fileBytesMax: limits.bytes)
    program.environment[Processes.commandVariable] = mark
    return program
  }
}

extension SourceProblem {
  fileprivate var text: String { message + (hint.map { " (\($0))" } ?? "") }
}

extension Manifest {
  /// What lies in a folder, without hashes: for what was fetched by its own.
  init(folder: String) throws(SourceFailure) {
    var files: [File] = []
    try Manifest.walk(folder, "", &files)
    self.init(files: files)
  }

  private static func walk(_ folder: String, _ below: String, _ files: inout [File]) throws(SourceFailure) {
    for name in Disk.names(in: folder) where files.count <= Manifest.entriesMax {
      let path = "\(folder)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0 else {
        // A run without one of its files would fail in words that lead nowhere, or not at all.
        throw SourceFailure(message: "the commit has a file whose name is not UTF-8: `\(below)\(name)`")
      }
      switch status.st_mode & S_IFMT {
      case S_IFDIR: try walk(path, "\(below)\(name)/", &files)
      case S_IFLNK:
        files.append(File(path: below + name, sha256: "", size: 0, executable: false, link: Disk.link(path) ?? ""))
      case S_IFREG:
        files.append(
          File(path: below + name, sha256: "", size: Int64(status.st_size), executable: status.st_mode & 0o100 != 0))
      default: continue
      }
    }
  }
}
