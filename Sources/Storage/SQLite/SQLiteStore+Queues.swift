import Model

extension SQLiteStore {
  public func gates() async throws(StoreError) -> [QueueID: QueueGate] {
    let found = try await read { (db) throws(StoreError) in
      try db.all("SELECT entity, name, gate FROM queue WHERE gate <> 'open'") {
        (QueueID(entity: $0.text(0), name: $0.text(1)), QueueGate(rawValue: $0.text(2)) ?? .open)
      }
    }
    return Dictionary(found, uniquingKeysWith: { first, _ in first })
  }

  public func setGate(_ gate: QueueGate, of queue: QueueID) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      let id = try transaction.queue(queue)
      try transaction.db.execute(
        "UPDATE queue SET gate = ? WHERE id = ? AND gate <> ?1", .text(gate.rawValue), .int(id))
      if transaction.db.changed > 0 { transaction.note(.queue(queue)) }
    }
  }

  public func createQueue(
    _ id: QueueID, definition: Value, author: String, now: Double
  ) async throws(StoreError) {
    let document = definition.json()
    try await write { (transaction) throws(StoreError) in
      let queue = try transaction.queue(id)
      try transaction.db.execute(
        """
        INSERT INTO definition (queue, document, author, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (queue) DO NOTHING
        """,
        .int(queue), .text(document), .text(author), .real(now))
      guard transaction.db.changed == 1 else { throw StoreError(.exists, "there is a queue `\(id.text)` already") }
      transaction.note(.queue(id))
    }
  }

  public func createdQueues() async throws(StoreError) -> [CreatedQueue] {
    try await read { (db) throws(StoreError) in
      try db.all(
        """
        SELECT q.entity, q.name, d.document, d.author, d.created_at
        FROM definition d JOIN queue q ON q.id = d.queue ORDER BY q.entity, q.name
        """
      ) { (row) throws(StoreError) in
        let id = QueueID(entity: row.text(0), name: row.text(1))
        return CreatedQueue(
          id: id, definition: try Codec.decode(Value.self, row.text(2).utf8, of: "queue `\(id.text)`"),
          author: row.text(3), createdAt: row.real(4))
      }
    }
  }

  public func deleteQueue(_ id: QueueID) async throws(StoreError) {
    try await write { (transaction) throws(StoreError) in
      try transaction.db.execute(
        "DELETE FROM definition WHERE queue = (SELECT id FROM queue WHERE entity = ? AND name = ?)", .text(id.entity),
        .text(id.name))
      guard transaction.db.changed == 1 else {
        throw StoreError(.notFound, "no queue `\(id.text)` was created through the API")
      }
      transaction.note(.queue(id))
    }
  }
}
