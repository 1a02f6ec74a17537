import Lua
import Model
import Testing

@testable import Scripting

/// What a plugin answers against its contract, and what it is kept from by bounds.
struct ContractTests {
  /// A driver of one function.
  private static func driver(_ function: String, _ body: String, handle: Schema = Schema(.any)) async throws
    -> LuaDriver
  {
    let bed = try await PluginBed(function: function, body)
    let header = PluginHeader(
      name: "bed", version: "1.0.0", needs: [], uses: [], config: Schema(.any), place: Place(file: "p", line: 1))
    return LuaDriver(
      declaration: DriverDeclaration(
        header: header, provides: [], resource: Schema(.any), handleVersion: 1, handle: handle, pollInterval: 5),
      plugin: bed.plugin)
  }

  @Test(arguments: ["return {}", "return { job = 1, at = { id = 'x' } }", "return { job = 'a', at = { id = 'x' } }"])
  func aHandleIsOfItsDeclaredShapeAtAnyDepth(_ body: String) async throws {
    let inner = Schema(.table([.init(key: "id", schema: Schema(.int(min: nil, max: nil)))]))
    let shape = Schema(
      .table([
        .init(key: "job", schema: Schema(.string(pattern: nil), isRequired: true)), .init(key: "at", schema: inner),
      ]))
    let driver = try await Self.driver("start", body, handle: shape)
    await #expect(throws: DriverFailure.self) { try await driver.start([:], token: "t", secrets: [:]) }
  }

  @Test(arguments: [0, 1, 3])
  func aPollAnswersOneRowForEachHandle(_ rows: Int) async throws {
    let driver = try await Self.driver(
      "poll", "local rows = {} for i = 1, \(rows) do rows[i] = { state = 'running' } end return rows")
    await #expect(throws: DriverFailure.self) { try await driver.poll([1, 2]) }
  }

  @Test func ofTwoSecretsTheLongerIsMaskedWhole() {
    let secrets = ["a": Secret(name: "a", text: "abcdef"), "b": Secret(name: "b", text: "abcdefghij")]
    for _ in 0..<20 {
      #expect(SecretMask(secrets).applied(to: Array("x abcdefghij".utf8)) == Array("x [secret b]".utf8))
    }
  }

  @Test func aLoopOfLargeDeclarationsIsEnded() {
    let text = """
      local large = {}
      for i = 1, 1000 do large["k" .. i] = i end
      for i = 1, 300 do queue("q" .. i) { target = "process", resource = large } end
      """
    let result = DeclarationReader().read(SourceFile(path: "a.lua", name: "a.lua", text: text))
    #expect((150..<200).contains(result.declarations.count), "\(result.declarations.count)")
    #expect(result.diagnostics.allSatisfy { $0.code == "C0007" && $0.message.contains("more than") })
    #expect(result.declarations.count + result.diagnostics.count == 300)
  }
}
