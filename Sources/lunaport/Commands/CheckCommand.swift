import Arguments
import Client
import Model
import Scripting
import Server

extension Lunaport {
  var checkCommand: Command {
    Command(
      "check", "Check queue files and plugins, and show every problem of every file.",
      discussion: """
        The exit code is 0 where there is no error, 1 where there is one, 2 where nothing could be checked.

          lunaport check
          lunaport check queues.d --plugins plugins --format github
          lunaport check --explain C0021
        """
    ) { declare in
      let folder = declare.argument(
        "folder", .directory, default: ConfigurationOptions.queuesFolder, help: "Folder of queue files.")
      let plugins = ConfigurationOptions.plugins(&declare)
      let format = declare.option(
        "format", .choice(of: DiagnosticFormat.self), default: .human, help: "How to print problems.")
      let json = declare.flag("json", help: "The same as --format json.")
      let code = declare.option(
        "explain", .string, placeholder: "code", help: "Print the page of a code, such as C0021.")
      return { values, console in
        if let code = values[code] { return try explain(code, console) }
        for path in [values[folder], values[plugins]] where !LocalFile.exists(path) {
          throw LocalFailure(
            "there is no folder \(path)", hint: "name another: lunaport check QUEUES --plugins PLUGINS")
        }
        let start = ContinuousClock.now
        let configuration = ConfigurationLoader(queues: values[folder], plugins: values[plugins]).load()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let report = CheckReport(configuration, seconds: seconds)
        let text = report.render(values[json] ? .json : values[format], isColoured: console.output.colour)
        try console.write(Array(text.utf8))
        return configuration.hasErrors ? .findings : .ok
      }
    }
  }

  private func explain(_ code: String, _ console: Console) throws -> ExitCode {
    guard let page = DiagnosticCode.named(code) else {
      let known = DiagnosticCode.all.map(\.code)
      throw LocalFailure(
        "there is no code \(code)",
        hint: closest(to: code.uppercased(), among: known).map { "did you mean \($0)?" } ?? "codes look like C0021")
    }
    try console.print(withoutLastNewline(page.page))
    return .ok
  }

  var diffCommand: Command {
    Command(
      "diff", "Compare queue files with what the server runs on.",
      discussion: """
        The exit code is 0 where nothing differs and 1 where something does. Queues made without a file are left out.

          lunaport diff queues.d
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let folder = declare.argument(
        "folder", .directory, default: ConfigurationOptions.queuesFolder, help: "Folder of queue files.")
      let plugins = ConfigurationOptions.plugins(&declare)
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let configuration = try ConfigurationOptions.load(queues: values[folder], plugins: values[plugins])
        let running = try await client.everything { cursor throws(APIError) in
          try await client.queues(entity: nil, cursor: cursor)
        }
        let diff = ConfigurationDiff(
          from: Dictionary(
            running.filter { $0.source != QueueView.madeByAPI }.map {
              (QueueID(entity: $0.entity, name: $0.name), $0.settings)
            },
            uniquingKeysWith: { first, _ in first }),
          to: configuration.queues.mapValues { .object($0.settings) })
        if values[json] {
          try console.print(diff.json.json(pretty: true))
        } else {
          try console.print(withoutLastNewline(diff.render()))
        }
        return diff.isEmpty ? .ok : .findings
      }
    }
  }
}

extension QueueView {
  /// What `source` says of a queue that no file declares.
  static let madeByAPI = "api"
}
