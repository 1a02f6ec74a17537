/// Who asks: the account of a key.
public struct Viewer: Sendable, Hashable, Codable {
  public var name: String
  public var role: Account.Role
  /// Every entity that it may act for, its own first.
  public var entities: [String]
  /// Where what it makes goes unless it says otherwise.
  public var defaultEntity: String

  enum CodingKeys: String, CodingKey {
    case name, role, entities
    case defaultEntity = "default_entity"
  }

  public init(name: String, role: Account.Role, entities: [String], defaultEntity: String) {
    self.name = name
    self.role = role
    self.entities = entities
    self.defaultEntity = defaultEntity
  }
}

/// Asks for a key. The account is made where there is none of that name.
public struct KeyRequest: Sendable, Hashable, Codable {
  public var account: String
  /// Of a new account; the account keeps its role where nil.
  public var role: Account.Role?
  /// Teams of the account; it keeps those it has where nil.
  public var entities: [String]?
  /// For people: what the key is for.
  public var label: String?

  public init(account: String, role: Account.Role? = nil, entities: [String]? = nil, label: String? = nil) {
    self.account = account
    self.role = role
    self.entities = entities
    self.label = label
  }
}

/// A key without its text, which is shown once, when the key is made, and kept nowhere.
public struct KeyView: Sendable, Hashable, Codable {
  public var id: String
  /// Only in the answer that makes it.
  public var key: String?
  public var account: String
  public var role: Account.Role
  public var entities: [String]
  public var label: String
  public var createdAt: String
  public var usedAt: String?
  public var revokedAt: String?

  enum CodingKeys: String, CodingKey {
    case id, key, account, role, entities, label
    case createdAt = "created_at"
    case usedAt = "used_at"
    case revokedAt = "revoked_at"
  }

  public init(
    id: String, key: String? = nil, account: Account, label: String, createdAt: String, usedAt: String? = nil,
    revokedAt: String? = nil
  ) {
    self.id = id
    self.key = key
    self.account = account.name
    role = account.role
    entities = account.entities
    self.label = label
    self.createdAt = createdAt
    self.usedAt = usedAt
    self.revokedAt = revokedAt
  }
}
