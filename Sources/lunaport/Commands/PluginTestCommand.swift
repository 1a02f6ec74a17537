import Arguments
import Model
import Scripting

extension Lunaport {
  var pluginTest: Command {
    Command(
      "test", "Try a driver against all that a driver must keep, on its real target.",
      discussion: """
        The suite starts, stops and reads small shell scripts on the target, as spec/conformance.lua of the plugin says: \
        which image, which resource. Without that file it runs them in a folder. It skips only what the driver does not \
        declare or the file gives nothing for. The exit code is 0 where nothing failed, else 1.

          lunaport plugin test plugins/process
          lunaport plugin test plugins/docker --settings docker.json --only 'the log'
        """
    ) { declare in
      let folder = declare.argument("folder", .directory, help: "The plugin's folder.")
      let settings = declare.option(
        "settings", .file, placeholder: "file",
        help: "A JSON file with the settings of plugins, by plugin, as an agent takes it.")
      let fixture = declare.option(
        "fixture", .file, placeholder: "file", help: "Another fixture than the plugin's spec/conformance.lua.")
      let only = declare.option("only", .string, placeholder: "text", help: "Only cases that have this in their name.")
      let json = declare.json()
      return { values, console in
        let place = try PluginPlace(values[folder])
        let configuration = ConfigurationLoader(queues: nil, plugins: place.plugins).load().only(
          pluginNamed: place.name)
        if configuration.hasErrors { throw BadConfiguration(configuration: configuration) }
        guard let declaration = configuration.drivers[place.name] else {
          throw LocalFailure(
            "\(place.name) is no driver, and only drivers have a suite", hint: "check it: lunaport check")
        }
        let settings = try AgentOptions.pluginSettings(values[settings])
        let bench = try PluginBench(plugins: place.plugins, settings: settings, startsNothing: false, now: now)
        // An agent of another data folder, to see that each leaves the other's runs alone.
        let neighbour = try PluginBench(plugins: place.plugins, settings: settings, startsNothing: false, now: now)
        // Their folders go with them.
        defer { withExtendedLifetime((bench, neighbour)) {} }
        let load: @Sendable (PluginBench) async throws -> LuaDriver = { bench in
          guard let driver = try await bench.driver(of: place.name, in: configuration) else {
            throw LocalFailure("the driver of \(place.name) cannot be loaded")
          }
          return driver
        }
        let work = bench.folder + "/work"
        try LocalFile.makeFolder(work)
        let suite = DriverSuite(
          try await load(bench), declaration, fixture: try place.fixture(values[fixture]), folder: work,
          other: try await load(neighbour), mark: "t\(Int(now()))", reborn: { try await load(bench) },
          pause: { try? await Task.sleep(for: .milliseconds(50)) })
        let results = await suite.run(only: values[only] ?? "") { result in
          if !values[json] { try? console.print(result.line(on: console.output)) }
        }
        guard !results.isEmpty else { throw LocalFailure("no case has \(values[only] ?? "") in its name") }
        if values[json] { try console.print(Value.array(results.map(\.document)).json(pretty: true)) }
        return results.contains { if case .failed = $0.outcome { true } else { false } } ? .findings : .ok
      }
    }
  }
}

/// A plugin's folder as people name it.
private struct PluginPlace {
  var folder: String
  var name: String
  /// The folder that it is in.
  var plugins: String

  init(_ text: String) throws(LocalFailure) {
    var path = text[...]
    while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    folder = String(path)
    name = String(parts.last ?? "")
    let parent = parts.dropLast().joined(separator: "/")
    plugins = parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
    guard LocalFile.exists("\(path)/plugin.lua") else {
      throw LocalFailure("\(path) is no plugin: it has no plugin.lua", hint: "begin one: lunaport plugin new \(name)")
    }
  }

  func fixture(_ given: String?) throws -> Fixture {
    let path = given ?? "\(folder)/spec/conformance.lua"
    if given == nil, !LocalFile.exists(path) { return Fixture() }
    switch SourceFile.read(path, as: path) {
    case .success(let file):
      do throws(FixtureFailure) {
        return try Fixture(reading: file)
      } catch { throw LocalFailure(error.message, hint: "lunaport plugin test --help says what it holds") }
    case .failure(let problem): throw LocalFailure(problem.message)
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
    let (word, why): (String, Value) =
      switch outcome {
      case .passed: ("passed", .null)
      case .skipped(let why): ("skipped", .string(why))
      case .failed(let why): ("failed", .string(why))
      }
    return [
      "name": .string(name), "outcome": .string(word), "reason": why,
      "seconds": .double((seconds * 1000).rounded() / 1000),
    ]
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
