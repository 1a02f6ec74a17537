import FoundationEssentials
import Glibc
import HTTP
import Hashing
import Model
import Storage
import Testing

@testable import Server

struct AccountTests {
  @Test func keysHaveTheFormThatOtherClientsTake() {
    for _ in 0..<100 {
      let text = KeyText.random().open { $0 }
      let parts = text.split(separator: "-", omittingEmptySubsequences: false)
      #expect(parts.count == 2)
      #expect(
        parts.last.map { $0.utf8.count >= 40 && $0.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) } } ?? false)
      #expect(KeyText(text) != nil)
    }
    #expect(Set((0..<100).map { _ in KeyText.random().open { $0 } }).count == 100)
  }

  @Test func aKeyCannotBePrinted() {
    let key = KeyText.random()
    let text = key.open { $0 }
    var dumped = ""
    dump(key, to: &dumped)
    for shown in ["\(key)", String(reflecting: key), String(describing: [key]), dumped] {
      #expect(!shown.contains(text.dropFirst(3)))
    }
  }

  @Test func credentialsAreReadAsBearerAndAsBasic() {
    let text = KeyText.random().open { $0 }
    func key(_ headers: HTTPHeaders) -> String? {
      if case .key(let key) = Credentials(headers) { key.open { $0 } } else { nil }
    }
    #expect(key(["Authorization": "Bearer \(text)"]) == text)
    #expect(key(["authorization": "bEARER   \(text) "]) == text)
    #expect(key(["Authorization": "Basic \(Data("api:\(text)".utf8).base64EncodedString())"]) == text)
    #expect(key(["Authorization": "Basic \(Data(":\(text)".utf8).base64EncodedString())"]) == text)
    for bad in [
      "Bearer", "Bearer x", "Bearer \(text)x", "Token \(text)", "Basic ???",
      "Basic \(Data("nocolon".utf8).base64EncodedString())",
      text,
    ] {
      #expect(key(["Authorization": bad]) == nil, "\(bad)")
    }
    #expect(key([:]) == nil)
    // Two of them: a proxy and a server might each believe another one.
    var twice: HTTPHeaders = ["Authorization": "Bearer \(text)"]
    twice.add("Authorization", "Bearer \(text)")
    #expect(key(twice) == nil)
  }

  @Test func failuresAreLimitedByAddressAndForgivenWithTime() {
    let limit = FailureLimit()
    var now = 1_000.0
    for _ in 0..<Int(FailureLimit.burst) { #expect(limit.failed("a", now: now) == nil) }
    let wait = limit.failed("a", now: now)
    #expect(wait != nil)
    #expect(limit.failed("b", now: now) == nil)
    now += (wait ?? 0) + 1
    #expect(limit.failed("a", now: now) == nil)
    // A flood does not lock its address out for longer than the burst takes to come back.
    for _ in 0..<100_000 { _ = limit.failed("c", now: now) }
    #expect(limit.failed("c", now: now) ?? 0 <= FailureLimit.burst / FailureLimit.rate + 1)
  }

  @Test func addressesThatFailDoNotFillMemory() {
    let limit = FailureLimit()
    for index in 0..<FailureLimit.addressesMax * 3 { _ = limit.failed("\(index)", now: 1) }
    #expect(limit.failed("fresh", now: 1) == nil)
  }
}

struct AdminKeyTests {
  private func mode(_ path: String) -> mode_t {
    var status = stat()
    stat(path, &status)
    return status.st_mode & 0o777
  }

  @Test func theKeyIsMadeOnceAndKept() async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try SQLiteStore()
    let first = try await AdminKey.ensure(in: folder, store: store, now: 1)
    #expect(mode(first.path) == 0o600)
    #expect(try await store.authenticate(sha256: first.key.digest(), now: 1)?.role == .admin)
    let again = try await AdminKey.ensure(in: folder, store: store, now: 2)
    #expect(again.key.open { $0 } == first.key.open { $0 })
    #expect(try await store.keys(account: nil).count == 1)
  }

  @Test func aRestoredFileIsMadePrivateAgainAndOpensANewStore() async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let first = try await AdminKey.ensure(in: folder, store: try SQLiteStore(), now: 1)
    chmod(first.path, 0o644)
    let store = try SQLiteStore()
    let again = try await AdminKey.ensure(in: folder, store: store, now: 2)
    #expect(again.key.open { $0 } == first.key.open { $0 })
    #expect(mode(again.path) == 0o600)
    #expect(try await store.authenticate(sha256: again.key.digest(), now: 2)?.name == "admin")
  }

  @Test func aRevokedKeyIsReplaced() async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let store = try SQLiteStore()
    let first = try await AdminKey.ensure(in: folder, store: store, now: 1)
    for key in try await store.keys(account: nil) { try await store.revokeKey(key.id, now: 2) }
    let again = try await AdminKey.ensure(in: folder, store: store, now: 3)
    #expect(again.key.open { $0 } != first.key.open { $0 })
    #expect(try await store.authenticate(sha256: again.key.digest(), now: 3)?.role == .admin)
  }

  @Test func aFileThatHoldsNoKeyIsNotOverwritten() async throws {
    let folder = try TestAPI.temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = "\(folder)/\(AdminKey.fileName)"
    try Data("something else".utf8).write(to: URL(filePath: path))
    await #expect(throws: AdminKey.Unusable.self) {
      try await AdminKey.ensure(in: folder, store: try SQLiteStore(), now: 1)
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "something else")
  }
}
