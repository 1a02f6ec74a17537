import Arguments
import Client
import FoundationEssentials
import Glibc
import Model
import Processes
import Scripting
import Storage

/// The checks of `doctor`.
struct Examination: Sendable {
  let environment: Environment
  let now: @Sendable () -> Double

  /// Seconds by which clocks may differ. Leases last half a minute, and times are shown to people in seconds.
  private static let skewMax = 5.0
  /// Bytes of free space under which a warning is due: an environment with a deep-learning library takes five times that.
  private static let lowSpace: Int64 = 1 << 30

  // MARK: the server

  func server(url: String?) async -> [Finding] {
    let client: APIClient
    do {
      client = try ServerOptions.client(url: url, environment)
    } catch {
      return [Finding("server", .warn, error.message, advice: error.hint)]
    }
    var findings: [Finding] = []
    do {
      let asked = now()
      let (report, date) = try await client.health()
      let generation = report["generation"]?.intValue.map { ", configuration \($0)" } ?? ""
      findings.append(Finding("server", .ok, "\(client.url) answers\(generation)"))
      if report["stale"]?.boolValue == true {
        findings.append(
          Finding(
            "configuration", .warn, "the server's files have errors, and it goes on with what it had",
            advice: "run 'lunaport check' where they are"))
      }
      if let date, let theirs = Self.seconds(ofHTTPDate: date) { findings.append(clock(theirs - asked)) }
    } catch {
      findings.append(failure("server", error))
      return findings
    }
    do {
      let viewer = try await client.viewer()
      findings.append(Finding("key", .ok, "that of \(viewer.name) (\(viewer.role.rawValue))"))
    } catch {
      findings.append(failure("key", error))
    }
    if let path = LoginFile.path(environment), let mode = Self.mode(of: path), mode & 0o077 != 0 {
      findings.append(
        Finding("login", .warn, "others can read your key in \(path)", advice: "chmod 600 \(path)"))
    }
    return findings
  }

  private func failure(_ name: String, _ error: APIError) -> Finding {
    switch error {
    case .unreachable(let error): Finding(name, .fail, error.fact, advice: error.hint)
    case .unreadable(_, let url, _, let fact): Finding(name, .fail, "\(url): \(fact)", advice: "check LUNAPORT_URL")
    case .refused(_, let body):
      Finding(name, .fail, body.message, advice: body.hint ?? "run 'lunaport login', or set LUNAPORT_API_KEY")
    }
  }

  /// - Parameter skew: seconds by which the server's clock is ahead; it tells whole seconds only.
  private func clock(_ skew: Double) -> Finding {
    let text = Quantity.text(seconds: abs(skew.rounded()))
    return abs(skew) <= Self.skewMax
      ? Finding("clock", .ok, "the server's and this one agree")
      : Finding(
        "clock", .warn, "the server's is \(text) \(skew > 0 ? "ahead" : "behind")",
        advice: "let both machines keep their time (chrony, systemd-timesyncd)")
  }

  /// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7); nil for anything else.
  static func seconds(ofHTTPDate text: String) -> Double? {
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let parts = text.split(separator: " ")
    guard parts.count == 6, parts[5] == "GMT", let month = months.firstIndex(of: String(parts[2])) else { return nil }
    let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp.seconds("\(parts[3])-\(number)-\(parts[1])T\(parts[4])Z")
  }

  // MARK: this machine

  func machine(plugins: String) async -> [Finding] {
    [shim(), await python(), self.plugins(plugins)]
  }

  private func shim() -> Finding {
    do {
      let scratch = try Scratch()
      _ = try Processes(root: scratch.path)
      return Finding("runs", .ok, "local runs can outlive their agent")
    } catch let error as ProcessFailure {
      return Finding("runs", .fail, error.message, advice: error.hint)
    } catch {
      return Finding("runs", .fail, "\(error)")
    }
  }

  private func python() async -> Finding {
    let test = "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:3])))"
    if let version = await Tool.output(of: ["python3", "-c", test], timeout: 20) {
      return Finding("python", .ok, "Python \(version.filter { !$0.isWhitespace }) makes virtual environments")
    }
    if await Tool.output(of: ["python3", "-c", "print()"], timeout: 20) != nil {
      return Finding(
        "python", .warn, "python3 cannot make virtual environments", advice: "apt-get install python3-venv")
    }
    return Finding(
      "python", .warn, "there is no python3, so no job with requirements.txt can run here",
      advice: "apt-get install python3 python3-venv")
  }

  private func plugins(_ folder: String) -> Finding {
    guard LocalFile.exists(folder) else {
      return Finding("plugins", .warn, "there is no folder \(folder) here", advice: "name it: --plugins DIR")
    }
    let configuration = ConfigurationLoader(queues: nil, plugins: folder).load()
    guard !configuration.hasErrors else {
      let first = configuration.diagnostics.first { $0.severity == .error }
      return Finding(
        "plugins", .fail, "\(configuration.errorCount) errors, the first: \(first?.message ?? "")",
        advice: "run 'lunaport check --plugins \(folder)'")
    }
    let names = configuration.pluginRows.map(\.header.name)
    return Finding("plugins", .ok, names.isEmpty ? "\(folder) is empty" : names.joined(separator: ", "))
  }

  // MARK: a data folder

  func dataFolder(_ path: String) async -> [Finding] {
    guard LocalFile.exists(path) else {
      return [Finding("data", .fail, "there is no folder \(path)", advice: "'lunaport up --data \(path)' makes it")]
    }
    guard access(path, W_OK | X_OK) == 0 else {
      return [Finding("data", .fail, "\(path) cannot be written by this user", advice: "run as its owner")]
    }
    return [Finding("data", .ok, "\(path) can be written"), space(path), await database(path)]
  }

  private func space(_ path: String) -> Finding {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else {
      return Finding("space", .warn, "it cannot be told how much there is: \(String(cString: strerror(errno)))")
    }
    let free = Int64(status.f_bavail) * Int64(status.f_frsize)
    let text = "\(Quantity.text(bytes: free)) free"
    return free >= Self.lowSpace
      ? Finding("space", .ok, text)
      : Finding("space", .warn, text, advice: "make room: logs, blobs and environments need it")
  }

  private func database(_ path: String) async -> Finding {
    guard LocalFile.exists("\(path)/\(SQLiteStore.fileName)") else {
      return Finding("database", .ok, "none yet")
    }
    do {
      let store = try SQLiteStore(folder: path)
      let problems = try await store.check()
      await store.close()
      guard let first = problems.first else { return Finding("database", .ok, "whole") }
      return Finding(
        "database", .fail, "\(problems.count) contradictions, the first: \(first)",
        advice: "keep a copy of \(path), and go back to a backup")
    } catch {
      if error.code == .locked {
        return Finding("database", .ok, "in use by a running server, and so not looked at")
      }
      return Finding("database", .fail, error.fact, advice: error.hint)
    }
  }

  private static func mode(of path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode : nil
  }
}
