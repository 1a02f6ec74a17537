import Hashing
import Model

/// Who there is, and with which keys they come.
public protocol AccountStore: Sendable {
  /// Makes an account, or changes its role and entities. Entities that are not there yet are made.
  func putAccount(_ account: Account, now: Double) async throws(StoreError)
  func account(_ name: String) async throws(StoreError) -> Account?
  /// By name.
  func accounts() async throws(StoreError) -> [Account]
  /// Takes an account and its keys away; what it made stays. One that is not there is no error.
  func removeAccount(_ name: String) async throws(StoreError)

  /// Makes a team without members. One that is there already is no error.
  func createEntity(_ name: String, now: Double) async throws(StoreError)
  /// By name.
  func entities() async throws(StoreError) -> [Entity]

  /// Keeps a key of an account; only its SHA-256 is ever given to a store.
  /// - Throws: `notFound` where there is no such account, `exists` where the key is known.
  func addKey(sha256: Digest, account: String, label: String, now: Double) async throws(StoreError) -> APIKey
  /// Newest first, revoked ones included.
  /// - Parameter account: nil for all.
  func keys(account: String?) async throws(StoreError) -> [APIKey]
  /// Revoking again changes nothing.
  /// - Throws: `notFound`.
  func revokeKey(_ id: Int64, now: Double) async throws(StoreError)

  /// Whose key this is; nil for one that is unknown or revoked. Notes that it was used.
  func authenticate(sha256: Digest, now: Double) async throws(StoreError) -> Account?
}

/// A team that owns projects, queues and agents.
public struct Entity: Sendable, Hashable {
  public var name: String
  /// Names of accounts.
  public var members: [String]
  public var createdAt: Double

  public init(name: String, members: [String], createdAt: Double) {
    self.name = name
    self.members = members
    self.createdAt = createdAt
  }
}

public struct APIKey: Sendable, Hashable {
  public var id: Int64
  public var account: String
  /// For people: what it is for.
  public var label: String
  public var createdAt: Double
  /// To within `StoreLimits.keyUseSeconds`.
  public var usedAt: Double?
  public var revokedAt: Double?

  public init(
    id: Int64, account: String, label: String, createdAt: Double, usedAt: Double?, revokedAt: Double?
  ) {
    self.id = id
    self.account = account
    self.label = label
    self.createdAt = createdAt
    self.usedAt = usedAt
    self.revokedAt = revokedAt
  }
}
