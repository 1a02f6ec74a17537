import Hashing
import Model
import Storage

extension Service {
  /// Whose key this is. - Throws: `unauthenticated`.
  func authenticate(_ key: KeyText) async throws -> Account {
    guard let account = try await store.authenticate(sha256: key.digest(), now: clock.now()) else {
      throw ServiceError(
        .unauthenticated, "the key is unknown or was revoked", hint: "lunaport login --help says how to get one")
    }
    return account
  }

  func viewer(_ account: Account) -> Viewer {
    var entities = [account.name] + account.entities.filter { $0 != account.name }
    if !entities.contains(account.defaultEntity) { entities.append(account.defaultEntity) }
    return Viewer(
      name: account.name, role: account.role, entities: entities, defaultEntity: account.defaultEntity)
  }

  /// Makes a key, and its account where it is new; the only time that the key's text is told.
  func createKey(_ new: KeyRequest) async throws -> KeyView {
    let now = clock.now()
    let old = try await store.account(new.account)
    var account = old ?? Account(name: new.account, role: .member, entities: [Account.newcomersEntity])
    if let role = new.role { account.role = role }
    if let entities = new.entities { account.entities = entities }
    if account != old {
      if old?.role == .admin, account.role != .admin, new.account == AdminKey.account {
        throw ServiceError(.conflict, "account `\(new.account)` is the server's own admin and stays one")
      }
      try await store.putAccount(account, now: now)
    }
    let key = KeyText.random()
    let kept = try await store.addKey(
      sha256: key.digest(), account: account.name, label: new.label ?? "", now: now)
    return KeyView(kept, account, key: key.open { $0 })
  }

  func keys(after cursor: String?, limit: Int) async throws -> PageView<KeyView> {
    let accounts = Dictionary(
      try await store.accounts().map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let before = cursor.flatMap { Int64($0) } ?? .max
    let rest = try await store.keys(account: nil).sorted { $0.id > $1.id }.filter { $0.id < before }
    let shown = rest.prefix(limit)
    return PageView(
      items: shown.map { KeyView($0, accounts[$0.account] ?? Account(name: $0.account, role: .member), key: nil) },
      next: rest.count > shown.count ? shown.last.map { String($0.id) } : nil)
  }

  func revokeKey(_ id: Int64) async throws { try await store.revokeKey(id, now: clock.now()) }
}

extension Account {
  /// The entity of those who were given none: whoever runs alone needs no teams.
  static let newcomersEntity = Account(name: AdminKey.account, role: .admin).defaultEntity
}

extension KeyView {
  init(_ key: APIKey, _ account: Account, key text: String?) {
    self.init(
      id: String(key.id), key: text, account: account, label: key.label, createdAt: Timestamp.text(key.createdAt),
      usedAt: key.usedAt.map(Timestamp.text), revokedAt: key.revokedAt.map(Timestamp.text))
  }
}
