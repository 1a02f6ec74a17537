/// The database's schema, as the steps that lead to it. A step is never changed once it was released: a store of any
/// earlier release is brought forward by the steps that it lacks.
enum Schema {
  /// Marks a database as ours: "LUNA".
  static let applicationID: Int64 = 0x4C55_4E41
  static let steps = [Schema.step1, Schema.step2, Schema.step3]
  static var version: Int { steps.count }

  /// Makes the database current, in one transaction.
  static func migrate(_ connection: Connection, path: String) throws(StoreError) {
    let version = try connection.first("PRAGMA user_version") { $0.count(0) } ?? 0
    let owner = try connection.first("PRAGMA application_id") { $0.int(0) } ?? 0
    if version == 0, owner == 0 {
      let tables = try connection.first("SELECT count(*) FROM sqlite_schema") { $0.count(0) } ?? 0
      guard tables == 0 else { throw foreign(path) }
    } else if owner != applicationID {
      throw foreign(path)
    }
    guard version <= steps.count else {
      throw StoreError(
        .newer,
        "`\(path)` was written by a newer version of lunaport (schema \(version), this one knows \(steps.count))",
        hint: "install that version, or restore the backup made before the upgrade")
    }
    if version == steps.count { return }
    try connection.execute("BEGIN IMMEDIATE")
    do {
      for step in steps[version...] { try connection.script(step) }
      try connection.script("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(steps.count)")
      try connection.execute("COMMIT")
    } catch {
      try? connection.execute("ROLLBACK")
      throw error
    }
  }

  private static func foreign(_ path: String) -> StoreError {
    StoreError(
      .foreign, "`\(path)` is a database of another program", hint: "move it away, or name another data folder")
  }
}
