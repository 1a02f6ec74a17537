import Hashing
import Model

extension SQLiteStore {
  public func putAccount(_ account: Account, now: Double) async throws(StoreError) {
    for name in [account.name] + account.entities {
      if let problem = Name.problem(with: name) { throw StoreError(.invalid, "the name `\(name)` \(problem)") }
    }
    try await write { (transaction) throws(StoreError) in
      let db = transaction.db
      try db.execute(
        """
        INSERT INTO account (name, role, created_at) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET role = excluded.role
        """,
        .text(account.name), .text(account.role.rawValue), .real(now))
      try db.execute("DELETE FROM member WHERE account = ?", .text(account.name))
      for entity in Set(account.entities) {
        try transaction.createEntity(entity, now: now)
        try db.execute("INSERT INTO member (entity, account) VALUES (?, ?)", .text(entity), .text(account.name))
      }
    }
  }

  public func account(_ name: String) async throws(StoreError) -> Account? {
    try await read { (db) throws(StoreError) in try db.account(name) }
  }

  public func accounts() async throws(StoreError) -> [Account] {
    try await read { (db) throws(StoreError) in
      let names = try db.all("SELECT name FROM account ORDER BY name") { $0.text(0) }
      var accounts: [Account] = []
      for name in names {
        if let account = try db.account(name) { accounts.append(account) }
      }
      return accounts
    }
  }

  public func removeAccount(_ name: String) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute("DELETE FROM account WHERE name = ?", .text(name))
    }
  }

  public func createEntity(_ name: String, now: Double) async throws(StoreError) {
    if let problem = Name.problem(with: name) { throw StoreError(.invalid, "the name `\(name)` \(problem)") }
    try await write { (transaction) throws(StoreError) in try transaction.createEntity(name, now: now) }
  }

  public func entities() async throws(StoreError) -> [Entity] {
    try await read { (db) throws(StoreError) in
      var entities = try db.all("SELECT name, created_at FROM entity ORDER BY name") {
        Entity(name: $0.text(0), members: [], createdAt: $0.real(1))
      }
      for index in entities.indices {
        entities[index].members = try db.all(
          "SELECT account FROM member WHERE entity = ? ORDER BY account", .text(entities[index].name)
        ) { $0.text(0) }
      }
      return entities
    }
  }

  public func addKey(
    sha256: Digest, account: String, label: String, now: Double
  ) async throws(StoreError) -> APIKey {
    try await write { (transaction) throws(StoreError) in
      let db = transaction.db
      guard try db.account(account) != nil else { throw StoreError(.notFound, "there is no account `\(account)`") }
      try db.execute(
        """
        INSERT INTO key (sha256, account, label, created_at) VALUES (?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING
        """,
        .blob(sha256.bytes), .text(account), .text(label), .real(now))
      guard db.changed == 1 else { throw StoreError(.exists, "this key is known already") }
      return APIKey(id: db.lastRow, account: account, label: label, createdAt: now, usedAt: nil, revokedAt: nil)
    }
  }

  public func keys(account: String?) async throws(StoreError) -> [APIKey] {
    try await read { (db) throws(StoreError) in
      try db.all(
        """
        SELECT id, account, label, created_at, used_at, revoked_at FROM key WHERE ?1 IS NULL OR account = ?1
        ORDER BY id DESC
        """,
        .text(account)
      ) {
        APIKey(
          id: $0.int(0), account: $0.text(1), label: $0.text(2), createdAt: $0.real(3), usedAt: $0.realIfAny(4),
          revokedAt: $0.realIfAny(5))
      }
    }
  }

  public func revokeKey(_ id: Int64, now: Double) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute(
        "UPDATE key SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?", .real(now), .int(id))
      guard transaction.db.changed == 1 else { throw StoreError(.notFound, "there is no key \(id)") }
    }
  }

  public func authenticate(sha256: Digest, now: Double) async throws(StoreError) -> Account? {
    let found = try await read { (db) throws(StoreError) in
      let key = try db.first(
        "SELECT id, account, used_at FROM key WHERE sha256 = ? AND revoked_at IS NULL", .blob(sha256.bytes)
      ) { (id: $0.int(0), account: $0.text(1), usedAt: $0.realIfAny(2)) }
      guard let key, let account = try db.account(key.account) else {
        return nil as (id: Int64, account: Account, usedAt: Double?)?
      }
      return (key.id, account, key.usedAt)
    }
    guard let found else { return nil }
    if now - (found.usedAt ?? 0) >= StoreLimits.keyUseSeconds {
      // Nobody's request waits or fails for the sake of a time that people look at once in a while.
      Task {
        try? await write { (transaction) throws(StoreError) in
          try transaction.db.execute("UPDATE key SET used_at = ? WHERE id = ?", .real(now), .int(found.id))
        }
      }
    }
    return found.account
  }
}

extension Transaction {
  fileprivate func createEntity(_ name: String, now: Double) throws(StoreError) {
    try db.execute(
      "INSERT INTO entity (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", .text(name), .real(now))
  }
}

extension Connection {
  fileprivate func account(_ name: String) throws(StoreError) -> Account? {
    guard let role = try first("SELECT role FROM account WHERE name = ?", .text(name), read: { $0.text(0) }) else {
      return nil
    }
    guard let role = Account.Role(rawValue: role) else {
      throw StoreError(.corrupt, "account `\(name)` has a role `\(role)`, which there is not")
    }
    let entities = try all("SELECT entity FROM member WHERE account = ? ORDER BY entity", .text(name)) { $0.text(0) }
    return Account(name: name, role: role, entities: entities)
  }
}
