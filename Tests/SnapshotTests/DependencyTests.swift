import Testing

@testable import Snapshot

@Suite struct DependencyTests {
  private func source(_ files: [String: String], runtime: String? = nil) throws -> (String?, String?) {
    let scratch = Scratch()
    scratch.write("a.py", "print(1)")
    for (name, text) in files { scratch.write(name, text) }
    let source = try FolderReader.read(scratch.path).source(["a.py"], runtime: runtime, manifest: nil)
    return (source.requirements, source.python)
  }

  @Test func aProjectsDependenciesAreTheListWhereThereIsNoOther() throws {
    let project = "[build-system]\nrequires = [\"x\"]\n\n[project]\nname = \"a\"\ndependencies = [\n  \"six\",\n]\n"
    #expect(try source(["pyproject.toml": project]).0 == "pyproject.toml")
    #expect(try source(["pyproject.toml": project, "requirements.txt": "six"]).0 == "requirements.txt")
    #expect(try source([:]).0 == nil)
  }

  @Test(
    "a project that names no dependencies needs no environment",
    arguments: [
      "", "[tool.black]\nline-length = 100\n", "[tool.x]\ndependencies = [\"six\"]\n", "[project]\nname = \"a\"\n",
      "# [project]\n# dependencies = []\n", "[project]\n# dependencies = [\"six\"]\n",
      "[project.optional-dependencies]\ndependencies = [\"six\"]\n", "[project]\ndynamic = [\"version\"]\n",
    ])
  func none(_ project: String) throws { #expect(try source(["pyproject.toml": project]).0 == nil) }

  @Test(arguments: [
    "[ project ]\ndependencies=[\"six\"]", "[project]  # ours\n  dependencies = []",
    "project.dependencies = [\"six\"]\n",
    "[project]\ndynamic = [\"dependencies\"]\n", "[project]\r\n\"dependencies\" = [\"six\"]\r\n",
  ])
  func some(_ project: String) throws { #expect(try source(["pyproject.toml": project]).0 == "pyproject.toml") }

  @Test func poetrysOwnFormIsRefusedWithWhatToDo() {
    let error = #expect(throws: SnapshotError.self) {
      try source(["pyproject.toml": "[tool.poetry.dependencies]\npython = \"^3.11\"\nsix = \"*\"\n"])
    }
    #expect(error?.code == .dependencies)
    #expect(error?.hint?.contains("requirements.txt") == true)
  }

  @Test func thePythonVersionIsThatOfTheCommandLineThenOfRuntimeThenOfPyenv() throws {
    let files = ["runtime.txt": "python-3.10.4\n", ".python-version": "3.9\n"]
    #expect(try source(files, runtime: "3.12").1 == "3.12")
    #expect(try source(files).1 == "3.10")
    #expect(try source([".python-version": "# ours\n3.9.1\n"]).1 == "3.9")
  }
}
