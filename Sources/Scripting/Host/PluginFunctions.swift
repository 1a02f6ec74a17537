import Lua
import Model

/// The functions of a plugin's second file: driver.lua, builder.lua or hook.lua.
struct PluginFunctions {
  /// `driver`, `builder` or `hook`.
  let kind: String
  let folder: String
  let shown: String
  /// Plugins whose files it may require.
  var uses: [String] = []

  var fileName: String { "\(kind).lua" }

  /// Functions that every plugin of the kind has.
  static func required(of kind: String) -> [String] {
    switch kind {
    case "driver": ["probe", "plan", "start", "find", "poll", "forget"]
    case "builder": ["probe", "key", "build"]
    default: ["run"]
    }
  }

  /// Loads the file to see which functions it has, and compares them with what is declared: each capability with its
  /// functions, and each function with its capability.
  func check(_ declaration: Declaration, provides: Set<Capability>?) -> (problems: [Diagnostic], source: SourceFile?) {
    let name = "\(shown)/\(fileName)"
    guard SourceFile.exists("\(folder)/\(fileName)") else {
      return (
        [
          Diagnostic(
            "P0107", "`\(shown)` has no \(fileName)", at: declaration.place,
            help: "a \(kind)'s functions are in \(fileName): \(Self.required(of: kind).joined(separator: ", "))")
        ], nil
      )
    }
    let file: SourceFile
    switch SourceFile.read("\(folder)/\(fileName)", as: name) {
    case .success(let read): file = read
    case .failure(let problem): return ([problem], nil)
    }
    do throws(LuaError) {
      guard let found = try names(in: file) else {
        let end = file.text.utf8.reduce(1) { $1 == 10 ? $0 + 1 : $0 }
        return (
          [
            Diagnostic(
              "P0110", "`\(name)` returns no table of functions", at: Place(file: name, line: max(1, end - 1)),
              help: "end it with `return \(kind)`")
          ], file
        )
      }
      return (problems(declaration, found, provides: provides, file: file), file)
    } catch {
      return ([DeclarationReader.diagnostic(error, name, code: "P0111")], file)
    }
  }

  /// Names of the functions of the table that the file returns; nil where it returns none.
  private func names(in file: SourceFile) throws(LuaError) -> Set<String>? {
    let state = try LuaState(sandbox: .run, limits: DeclarationReader.limits)
    let environment = try HostWords.environment(
      of: state, modules: PluginModules(folder: folder, shown: shown, uses: uses))
    guard let result = try state.evaluate(file.text, chunk: "@" + file.name, environment: environment).first,
      state.kind(of: result) == .table
    else { return nil }
    return Set(state.functions(of: result).keys)
  }

  private func problems(
    _ declaration: Declaration, _ found: Set<String>, provides: Set<Capability>?, file: SourceFile
  ) -> [Diagnostic] {
    var problems: [Diagnostic] = []
    for function in Self.required(of: kind) where !found.contains(function) {
      problems.append(
        Diagnostic(
          "P0108", "`\(file.name)` has no function `\(function)`, which every \(kind) has", at: declaration.place,
          label: closest(to: function, among: found.sorted()).map { "`\($0)` is there" }))
    }
    guard let provides else { return problems }
    for entry in Capability.registry {
      for function in entry.functions {
        let isDeclared = provides.contains(entry.capability)
        if isDeclared, !found.contains(function) {
          let index = (declaration.body.fields["provides"]?.table?.items ?? [])
            .firstIndex(of: .string(entry.capability.rawValue))
          let path: Path = [.key("provides")] + (index.map { [.index($0)] } ?? [])
          problems.append(
            Diagnostic(
              "P0108", "`\(entry.capability)` is declared, but `\(file.name)` has no function `\(function)`",
              at: declaration.value(path), help: "write it, or leave the capability out: absence means no"))
        } else if !isDeclared, found.contains(function),
          Capability.registry.allSatisfy({
            !provides.contains($0.capability) || !$0.functions.contains(function)
          })
        {
          problems.append(
            Diagnostic(
              "P0109", "`\(file.name)` has the function `\(function)`, but `\(entry.capability)` is not declared",
              at: declaration.key([.key("provides")]), help: "add it to `provides`, or leave the function out"))
        }
      }
    }
    return problems
  }
}
