import Glibc
import Model
import Synchronization

/// A store in one SQLite database: WAL, every commit on disk before it is answered, one writer, readers beside it.
public final class SQLiteStore: Store {
  let writer: Writer
  /// Nil for a store in memory, which has but the one connection.
  private let readers: Readers?
  private let hub: ChangeHub
  /// Let go of by `close`. Nil in memory.
  private let lock: Mutex<FolderLock?>
  /// Of the database; nil in memory.
  private let path: String?

  /// Opens the store of a data folder, makes both where they are new, and brings an older store forward.
  /// - Throws: `locked` where another process has it open, `newer`, `foreign`, `corrupt`, `readOnly`, `full`, `io`.
  public init(folder: String) throws(StoreError) {
    try Files.makeFolder(folder)
    let lock = try FolderLock(folder: folder)
    let path = "\(folder)/\(SQLiteStore.fileName)"
    // SQLite would make it readable to all; it has everyone's configs in it.
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw StoreError(errno: errno, "open `\(path)`") }
    Glibc.close(descriptor)
    let connection = try Connection(path: path, mode: .readWrite)
    try SQLiteStore.prepare(connection, path: path)
    let hub = ChangeHub()
    writer = Writer(connection, hub: hub)
    readers = Readers(path: path)
    self.hub = hub
    self.lock = Mutex(lock)
    self.path = path
  }

  /// A store that is gone with the object: for tests and simulations.
  public init() throws(StoreError) {
    let connection = try Connection(path: ":memory:", mode: .memory)
    try connection.script("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF")
    try Schema.migrate(connection, path: ":memory:")
    let hub = ChangeHub()
    writer = Writer(connection, hub: hub)
    readers = nil
    self.hub = hub
    lock = Mutex(nil)
    path = nil
  }

  public static let fileName = "lunaport.sqlite"

  private static func prepare(_ connection: Connection, path: String) throws(StoreError) {
    // Reads the file for the first time: what is no database, or damaged at its head, is found here.
    let mode = try connection.first("PRAGMA journal_mode = WAL") { $0.text(0) }
    guard mode == "wal" else {
      throw StoreError(
        .io, "`\(path)` cannot be kept with a write-ahead log on this file system",
        hint: "use a local disk, not a network share")
    }
    // FULL: an acknowledged write survives a power cut. 16 MB of cache hold the pages that leases touch; a checkpoint
    // every 16 MB of log keeps the log, and with it the time to open after a crash, small.
    try connection.script(
      """
      PRAGMA synchronous = FULL;
      PRAGMA foreign_keys = ON;
      PRAGMA temp_store = MEMORY;
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA cache_size = -16000;
      PRAGMA wal_autocheckpoint = 4000;
      PRAGMA journal_size_limit = 67108864;
      """)
    try Schema.migrate(connection, path: path)
    // Counts that came down to nothing, such as those of need sets that no run has any more. Only to save space: on a
    // full disk the store opens all the same, and answers reads.
    try? connection.execute("DELETE FROM tally WHERE n = 0")
  }

  public func changes() -> AsyncStream<[Change]> { hub.subscribe() }

  public func close() async {
    // The writer last: only it can bring the write-ahead log into the database.
    await readers?.close()
    await writer.close()
    hub.close()
    lock.withLock { $0 = nil }
  }

  func write<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws(StoreError) -> T
  ) async throws(StoreError) -> T {
    try await writer.perform(body)
  }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws(StoreError) -> T
  ) async throws(StoreError) -> T {
    if let readers { return try await readers.perform(body) }
    return try await writer.perform { (transaction) throws(StoreError) in try body(transaction.db) }
  }

  /// Runs `body` outside any transaction, where it holds up nobody.
  func aside(_ body: @escaping @Sendable (Connection) throws(StoreError) -> Void) async throws(StoreError) {
    if let readers { try await readers.aside(body) } else { try await writer.aside(body) }
  }
}
