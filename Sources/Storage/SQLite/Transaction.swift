import Model

/// What an operation works in: the database inside a transaction, and what it will have changed once committed.
final class Transaction {
  let db: Connection
  private var changes: [Change] = []
  /// Need sets, which never change once made; a rollback forgets them, for it may have taken their rows away.
  var needsByKey: [String: Int64] = [:]
  var needsByID: [Int64: [Need]] = [:]
  /// The queue that an agent was given its last run of. Only fairness depends on it, so nothing keeps it.
  var lastServed: [String: QueueID] = [:]

  init(_ connection: Connection) { db = connection }

  func note(_ change: Change) { changes.append(change) }

  /// Changes so far, as a mark for `notes(since:)`.
  var noted: Int { changes.count }
  func notes(since mark: Int) -> ArraySlice<Change> { changes[mark...] }

  /// SQLite itself rolled the transaction back.
  var isBroken: Bool { db.isIdle }

  func begin() throws(StoreError) { try db.execute("BEGIN IMMEDIATE") }
  func commit() throws(StoreError) { try db.execute("COMMIT") }

  func rollback() {
    // Fails only where SQLite rolled back already, which is what is wanted.
    if !db.isIdle { try? db.execute("ROLLBACK") }
    changes.removeAll()
    forget()
  }

  private func forget() {
    needsByKey.removeAll()
    needsByID.removeAll()
  }

  /// Runs `body`; where it fails, the database is as it was before.
  func savepoint<T>(_ body: (Transaction) throws(StoreError) -> T) throws(StoreError) -> T {
    let mark = changes.count
    try db.execute("SAVEPOINT operation")
    do {
      let value = try body(self)
      try db.execute("RELEASE operation")
      return value
    } catch {
      if !db.isIdle {
        do {
          try db.execute("ROLLBACK TO operation")
          try db.execute("RELEASE operation")
        } catch let second {
          // What the operation did can be taken back no other way than with everything else.
          rollback()
          throw second
        }
      }
      changes.removeLast(max(0, changes.count - mark))
      forget()
      throw error
    }
  }

  func takeChanges() -> [Change] {
    let taken = changes
    changes.removeAll(keepingCapacity: true)
    return taken
  }

  /// Takes `count` numbers from a counter; gives the last of them back.
  func advance(_ counter: String, by count: Int = 1) throws(StoreError) -> Int64 {
    let value = try db.first(
      "UPDATE counter SET value = value + ? WHERE name = ? RETURNING value", .int(count), .text(counter)
    ) { $0.int(0) }
    guard let value else { throw StoreError(.corrupt, "the counter `\(counter)` is missing from the database") }
    return value
  }
}
