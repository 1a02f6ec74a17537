import Arguments
import Model
import Scripting

extension Lunaport {
  var pluginTest: Command {
    Command(
      "test", "Try a driver against all that a driver must keep, on its real target.",
      discussion: """
        The suite starts, stops and reads small shell commands on the target, and skips only what the driver does not \
        declare. The exit code is 0 where nothing failed, else 1.

          lunaport plugin test plugins/process
        """
    ) { declare in
      let folder = declare.argument("folder", .directory, help: "The plugin's folder.")
      let json = declare.json()
      return { values, console in
        var path = values[folder][...]
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let name = String(parts.last ?? "")
        let parent = parts.dropLast().joined(separator: "/")
        let plugins = parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
        guard LocalFile.exists("\(path)/plugin.lua") else {
          throw LocalFailure(
            "\(path) is no plugin: it has no plugin.lua", hint: "begin one: lunaport plugin new \(name)")
        }
        let configuration = ConfigurationLoader(queues: nil, plugins: plugins).load().only(pluginNamed: name)
        if configuration.hasErrors { throw BadConfiguration(configuration: configuration) }
        guard let declaration = configuration.drivers[name] else {
          throw LocalFailure("\(name) is no driver, and only drivers have a suite", hint: "check it: lunaport check")
        }
        let bench = try PluginBench(plugins: plugins, startsNothing: false, now: now)
        guard let driver = try await bench.driver(of: name, in: configuration) else {
          throw LocalFailure("the driver of \(name) cannot be loaded")
        }
        let work = bench.folder + "/work"
        try LocalFile.makeFolder(work)
        let suite = DriverSuite(
          driver, workload: .shell(folder: work), resource: DriverSuite.resource(of: declaration),
          mark: "t\(Int(now()))"
        ) { try? await Task.sleep(for: .milliseconds(50)) }
        let results = await suite.run()
        if values[json] {
          try console.print(Value.array(results.map(\.document)).json(pretty: true))
        } else {
          for result in results { try console.print(result.line(on: console.output)) }
        }
        return results.contains { if case .failed = $0.outcome { true } else { false } } ? .findings : .ok
      }
    }
  }
}

extension Configuration {
  /// With the problems of one plugin's own files and no others.
  fileprivate func only(pluginNamed name: String) -> Configuration {
    var one = self
    one.diagnostics = diagnostics.filter { problem in
      problem.place.map { $0.file.split(separator: "/").dropFirst().first ?? "" == name } ?? true
    }
    return one
  }
}

extension DriverSuite.Result {
  fileprivate var document: Value {
    switch outcome {
    case .passed: ["name": .string(name), "outcome": "passed", "reason": .null]
    case .skipped(let why): ["name": .string(name), "outcome": "skipped", "reason": .string(why)]
    case .failed(let why): ["name": .string(name), "outcome": "failed", "reason": .string(why)]
    }
  }

  fileprivate func line(on terminal: Terminal) -> String {
    switch outcome {
    case .passed: terminal.paint("ok  ", .green) + "  \(name)"
    case .skipped(let why): terminal.paint("skip", .dim) + "  \(name): \(printable(why))"
    case .failed(let why):
      terminal.paint("FAIL", .bold, .red) + "  \(name)\n"
        + why.split(separator: "\n").map { "      \(printable(String($0)))" }.joined(separator: "\n")
    }
  }
}
