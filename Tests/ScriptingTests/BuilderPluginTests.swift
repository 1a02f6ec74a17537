import FoundationEssentials
import Lua
import Model
import Processes
import Testing

@testable import Scripting

/// The parts of the plugins `venv`, `docker-build` and `kaniko` that need no engine.
struct BuilderPluginTests {
  private static func build(
    _ requirements: String?, python: String? = nil, manifest: String = "one", path: String = "requirements.txt"
  ) -> BuildRequest {
    BuildRequest(
      source: Source(
        kind: .code, manifest: manifest, entryPoint: ["train.py"], python: python,
        requirements: requirements == nil ? nil : path),
      target: "process", folder: "/nowhere", requirements: requirements, job: "My_Job.2")
  }

  private static func builder(_ name: String, _ settings: [String: Value] = [:]) async throws -> LuaBuilder {
    try await PluginHostTests.Bench(settings: settings).builder(name)
  }

  /// Lines of a dependency list, and whether they name files beside it.
  private static let lines: [(String, Bool)] = [
    ("numpy==2.1", false), ("torch>=2 ; python_version > \"3.9\"", false), ("# see docs/howto", false),
    ("--extra-index-url https://download.example/whl/cu121", false), ("x @ https://example.com/x-1.whl", false),
    ("-i https://pip.example/simple", false), ("numpy  # as in ./old", false), ("--no-binary :all:", false),
    ("-r base.txt", true), ("-c limits.txt", true), ("-e .", true), ("-f wheels", true), ("--find-links=wheels", true),
    ("--requirement base.txt", true), (".", true), ("./wheels/x.whl", true), ("wheels/x-1-py3.whl", true),
    ("x-1-py3-none-any.whl", true), ("x @ file:///opt/x", true), ("x @ ./x", true), ("--editable=git/x", true),
  ]

  /// An environment made of a list that names files beside it is that of this source alone; others are shared.
  @Test func anEnvironmentIsSharedByAllThatInstallTheSame() async throws {
    let venv = try await Self.builder("venv")
    for (line, names) in Self.lines {
      let one = try await venv.key(Self.build("pandas\r\n\(line)\n"))
      let other = try await venv.key(Self.build("pandas\r\n\(line)\n", manifest: "other"))
      #expect((one != other) == names, "\(line)")
    }
    let project = "[project]\ndependencies = [\"x/y\"]"
    #expect(
      try await venv.key(Self.build(project, path: "pyproject.toml"))
        == venv.key(Self.build(project, manifest: "other", path: "pyproject.toml")))
    #expect(try await venv.key(Self.build("numpy")) != venv.key(Self.build("numpy", python: "3.11")))
  }

  /// An environment has gigabytes, and a list that changes each day makes one each day.
  @Test func anEnvironmentThatNobodyAsksForGoes() async throws {
    let bench = try PluginHostTests.Bench()
    let venv = try await bench.builder("venv")
    let data = bench.root.appending(path: "data/venv").path
    let now = Int(Date().timeIntervalSince1970)
    for (key, used) in [("old", now - 31 * 86_400), ("recent", now - 29 * 86_400), ("unknown", nil)] {
      try Disk.makeFolder("\(data)/\(key)")
      try Disk.write("\(data)/\(key)/complete", [])
      if let used { try Disk.write("\(data)/\(key)/used", Array("\(used)".utf8)) }
    }
    let request = Self.build(nil)
    let key = try await venv.key(request)
    let made = try await venv.build(request, key: key) { _ in }
    #expect(Set(Disk.names(in: data)) == ["recent", "unknown", key])
    #expect(made.prefix == "\(data)/\(key)" && Disk.exists("\(data)/\(key)/bin/python"))
    #expect(Disk.text("\(data)/unknown/used") != nil && Disk.text("\(data)/\(key)/used") != nil)
    // Asked for again it is not made again, and stays.
    try Disk.replace("\(data)/\(key)/used", with: Array("\(now - 40 * 86_400)".utf8))
    _ = try await venv.build(request, key: key) { _ in Issue.record("it was built again") }
    #expect(Int(Disk.text("\(data)/\(key)/used") ?? "").map { $0 >= now } == true)
  }

  /// As people run pip: from the job's folder, whatever its own files are named.
  @Test func aListMayNameFilesOfTheJob() async throws {
    let bench = try PluginHostTests.Bench()
    let folder = bench.root.appending(path: "job").path
    try Disk.makeFolder("\(folder)/wheels")
    let list = "-r more.txt\n./wheels/answer-1-py3-none-any.whl\n"
    for (name, text) in ["list.txt": list, "more.txt": "# nothing\n", "types.py": "raise SystemExit('not me')\n"] {
      try Disk.write("\(folder)/\(name)", Array(text.utf8))
    }
    let wheel = """
      import zipfile
      with zipfile.ZipFile("\(folder)/wheels/answer-1-py3-none-any.whl", "w") as file:
          info = "answer-1.dist-info/"
          file.writestr("answer.py", "number = 42")
          file.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: answer\\nVersion: 1\\n")
          file.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
          file.writestr(info + "RECORD", "answer.py,,\\n")
      """
    func python(_ program: String, _ arguments: String...) async throws -> Command.Result {
      try await Command([program] + arguments, environment: BaseEnvironment.current(), timeout: 60).run()
    }
    #expect(try await python("python3", "-c", wheel).succeeded)
    var request = Self.build(list, path: "list.txt")
    request.folder = folder
    let venv = try await bench.builder("venv")
    let made = try await venv.build(request, key: try await venv.key(request)) { _ in }
    let prefix = try #require(made.prefix)
    let said = try await python("\(prefix)/bin/python", "-c", "import answer; print(answer.number)")
    #expect(String(decoding: said.output, as: UTF8.self) == "42\n")
  }

  /// It becomes part of a program's name and of a line in a Dockerfile.
  @Test func whatIsNoPythonVersionIsRefused() async throws {
    let settings: [String: Value] = ["docker-build": ["repository": "r"], "kaniko": ["repository": "r"]]
    for name in ["venv", "docker-build", "kaniko"] {
      let builder = try await Self.builder(name, settings)
      for version in ["3/../../bin/sh", "3.11\nRUN evil", "", "; rm", "latest"] {
        let failure = try #require(
          await { () async -> DriverFailure? in
            do throws(DriverFailure) {
              _ = try await builder.key(Self.build("numpy", python: version))
              return nil
            } catch { return error }
          }(), "\(name) took \(version)")
        #expect(failure.code == .configInvalid && failure.retry == .never, "\(name): \(failure)")
      }
      for version in ["3", "3.11", "3.14t"] { _ = try await builder.key(Self.build("numpy", python: version)) }
    }
  }

  /// Dependencies before code where that can be; else with the folder, and from inside of it.
  @Test func aDockerfileInstallsWhatTheJobNeeds() async throws {
    let config: Value = [
      "base_image": "python:{python}-slim", "accelerator_image": "", "python": "3.12", "user": "1000:1000",
    ]
    let recipe = GoldenTests.repository.appending(path: "plugins/docker-build/recipe.lua")
    let dependencies = GoldenTests.repository.appending(path: "plugins/venv/dependencies.lua")
    let bed = try await PluginBed(
      uses: ["venv"], settings: config,
      files: [
        "recipe.lua": String(decoding: try Data(contentsOf: recipe), as: UTF8.self),
        "../venv/dependencies.lua": String(decoding: try Data(contentsOf: dependencies), as: UTF8.self),
      ], "return require('recipe').text(ctx.config, ...)")
    func text(_ requirements: String?, _ path: String = "requirements.txt") async throws -> [String] {
      let build = try LuaPlugin.document(Self.build(requirements, path: path))
      return try await bed.act(.tree(LuaTree(build))).string?.split(separator: "\n").map(String.init) ?? []
    }
    let line =
      #"RUN ["python3","-c","import runpy, sys; sys.path.pop(0); sys.argv[0] = 'pip'; "#
      + #"runpy.run_module('pip', run_name='__main__')","#
    let pip = #"RUN ["python3","-m","pip","install","--no-cache-dir","--disable-pip-version-check","#
    #expect(
      try await text("numpy") == [
        "FROM python:3.12-slim", #"COPY ["source/requirements.txt","/tmp/requirements.txt"]"#,
        pip + #""-r","/tmp/requirements.txt"]"#, "COPY --chown=1000:1000 source /app", "WORKDIR /app", "ENV HOME=/app",
        "USER 1000:1000",
      ])
    #expect(
      try await text("-e ./lib", "deep/list.txt")[1...3] == [
        "COPY --chown=1000:1000 source /app", "WORKDIR /app",
        line + #""install","--no-cache-dir","--disable-pip-version-check","-r","deep/list.txt"]"#,
      ])
    #expect(try await text("[project]", "pyproject.toml")[2] == pip + #""/app/"]"#)
  }
}
