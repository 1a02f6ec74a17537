import CSQLite

/// One connection to a SQLite database, with its prepared statements. Used by one thread at a time.
final class Connection {
  enum Mode {
    case readWrite, readOnly
    /// A database of its own that lives as long as the connection.
    case memory
  }

  private let handle: OpaquePointer
  /// By identity: a lookup costs no hashing of long texts.
  private var known: [UInt: Statement] = [:]
  /// For SQL that is put together, as for filters.
  private var texts: [String: Statement] = [:]

  private static let started = csqlite_start()

  init(path: String, mode: Mode) throws(StoreError) {
    // Where another part of the process was first to use SQLite, it is started already, only with the statistics.
    guard Connection.started == SQLITE_OK || Connection.started == SQLITE_MISUSE else {
      throw StoreError(sqlite: Connection.started, message: "cannot start SQLite", during: "start")
    }
    var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    switch mode {
    // Memory too: it follows from the path, and the flag for it would make a backup go to memory as well.
    case .readWrite, .memory: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    case .readOnly: flags |= SQLITE_OPEN_READONLY
    }
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard let opened else { throw StoreError(sqlite: code, message: "no memory", during: "open") }
    guard code == SQLITE_OK else {
      let message = String(cString: sqlite3_errmsg(opened))
      sqlite3_close_v2(opened)
      throw StoreError(sqlite: code, message: message, during: "open `\(path)`")
    }
    handle = opened
    sqlite3_busy_timeout(handle, Connection.busyMilliseconds)
  }

  /// Milliseconds to wait for another connection's lock. Only a checkpoint at close or a backup tool from outside ever
  /// holds one against the writer.
  private static let busyMilliseconds: Int32 = 5_000

  deinit {
    known.removeAll()
    texts.removeAll()
    sqlite3_close_v2(handle)
  }

  /// No transaction is open. False inside one; true again where SQLite itself rolled it back.
  var isIdle: Bool { sqlite3_get_autocommit(handle) != 0 }

  /// Rows that the last INSERT, UPDATE or DELETE changed.
  var changed: Int { Int(sqlite3_changes64(handle)) }
  var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }

  /// Runs SQL of several statements, none of which gives rows that anyone wants.
  func script(_ sql: String) throws(StoreError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    if code != SQLITE_OK { throw failure(code, sql) }
  }

  func failure(_ code: Int32, _ sql: String) -> StoreError {
    StoreError(sqlite: code, message: String(cString: sqlite3_errmsg(handle)), during: sql)
  }

  private func statement(_ sql: SQL) throws(StoreError) -> Statement {
    if let known = known[sql.key], !known.isBusy { return known }
    let fresh = try prepare(sql.text)
    // A statement that is in use further up the stack is not shared.
    if known[sql.key] == nil { known[sql.key] = fresh }
    return fresh
  }

  private func statement(text sql: String) throws(StoreError) -> Statement {
    if let known = texts[sql], !known.isBusy { return known }
    let fresh = try prepare(sql)
    if texts.count >= Connection.textsMax { texts.removeAll() }
    if texts[sql] == nil { texts[sql] = fresh }
    return fresh
  }

  /// Put-together statements that are kept; there are fewer combinations of filters than this in practice.
  private static let textsMax = 256

  private func prepare(_ sql: String) throws(StoreError) -> Statement {
    var prepared: OpaquePointer?
    let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
    guard code == SQLITE_OK, let prepared else { throw failure(code, sql) }
    return Statement(prepared)
  }

  private func walk(
    _ statement: Statement, _ cells: [Cell], _ visit: (Row) throws(StoreError) -> Bool
  ) throws(StoreError) {
    statement.isBusy = true
    defer {
      sqlite3_reset(statement.handle)
      sqlite3_clear_bindings(statement.handle)
      statement.isBusy = false
    }
    for (index, cell) in cells.enumerated() {
      let code = cell.bind(to: statement.handle, at: Int32(index + 1))
      if code != SQLITE_OK { throw failure(code, statement.sql) }
    }
    while true {
      let code = sqlite3_step(statement.handle)
      switch code {
      case SQLITE_ROW: if try !visit(Row(handle: statement.handle)) { return }
      case SQLITE_DONE: return
      default: throw failure(code, statement.sql)
      }
    }
  }
}

extension Connection {
  /// Runs a statement that gives no rows.
  func execute(_ sql: SQL, _ cells: Cell...) throws(StoreError) {
    try walk(statement(sql), cells) { _ in true }
  }

  func execute(text sql: String) throws(StoreError) {
    try walk(statement(text: sql), []) { _ in true }
  }

  /// The first row, read by `read`; nil where there is none.
  func first<T>(
    _ sql: SQL, _ cells: Cell..., read: (Row) throws(StoreError) -> T
  ) throws(StoreError) -> T? {
    var found: T?
    try walk(statement(sql), cells) { (row) throws(StoreError) in
      found = try read(row)
      return false
    }
    return found
  }

  /// Every row, read by `read`.
  func all<T>(_ sql: SQL, _ cells: Cell..., read: (Row) throws(StoreError) -> T) throws(StoreError) -> [T] {
    try collect(statement(sql), cells, read)
  }

  func all<T>(text sql: String, _ cells: [Cell], read: (Row) throws(StoreError) -> T) throws(StoreError) -> [T] {
    try collect(statement(text: sql), cells, read)
  }

  private func collect<T>(
    _ statement: Statement, _ cells: [Cell], _ read: (Row) throws(StoreError) -> T
  ) throws(StoreError) -> [T] {
    var found: [T] = []
    try walk(statement, cells) { (row) throws(StoreError) in
      found.append(try read(row))
      return true
    }
    return found
  }
}

/// A statement's text, known by where it stands in the program: a literal, or composed once and kept in a static.
struct SQL: ExpressibleByStringLiteral, Sendable {
  private final class Text: Sendable {
    let text: String
    init(_ text: String) { self.text = text }
  }
  private let literal: StaticString
  private let composed: Text?

  init(stringLiteral value: StaticString) {
    literal = value
    composed = nil
  }

  /// Only for statics: the key is an address, and an address that is given up may be given out again.
  init(static text: String) {
    literal = ""
    composed = Text(text)
  }

  fileprivate var key: UInt {
    if let composed { return UInt(bitPattern: Unmanaged.passUnretained(composed).toOpaque()) }
    return UInt(bitPattern: literal.utf8Start)
  }

  fileprivate var text: String { composed?.text ?? literal.description }
}

/// A prepared statement.
final class Statement {
  let handle: OpaquePointer
  var isBusy = false

  init(_ handle: OpaquePointer) { self.handle = handle }
  deinit { sqlite3_finalize(handle) }

  var sql: String { sqlite3_sql(handle).map { String(cString: $0) } ?? "" }
}

/// A value bound to a statement.
enum Cell {
  case null
  case int(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])

  static func int(_ number: Int) -> Cell { .int(Int64(number)) }
  static func flag(_ flag: Bool) -> Cell { .int(flag ? 1 : 0) }
  static func int(_ number: Int64?) -> Cell { number.map { .int($0) } ?? .null }
  static func int(_ number: Int?) -> Cell { number.map { .int(Int64($0)) } ?? .null }
  static func real(_ number: Double?) -> Cell { number.map { .real($0) } ?? .null }
  static func text(_ text: String?) -> Cell { text.map { .text($0) } ?? .null }

  fileprivate func bind(to statement: OpaquePointer, at index: Int32) -> Int32 {
    switch self {
    case .null: return sqlite3_bind_null(statement, index)
    case .int(let number): return sqlite3_bind_int64(statement, index, number)
    case .real(let number): return sqlite3_bind_double(statement, index, number)
    case .text(var text):
      return text.withUTF8 { bytes in
        guard bytes.count <= Int(Int32.max) else { return SQLITE_TOOBIG }
        return bytes.withMemoryRebound(to: CChar.self) { chars in
          // An empty string may have no base address, which SQLite would take for NULL.
          guard let base = chars.baseAddress else { return csqlite_bind_text(statement, index, "", 0) }
          return csqlite_bind_text(statement, index, base, Int32(chars.count))
        }
      }
    case .blob(let bytes):
      guard bytes.count <= Int(Int32.max) else { return SQLITE_TOOBIG }
      return bytes.withUnsafeBytes { raw in
        guard let base = raw.baseAddress else { return sqlite3_bind_zeroblob(statement, index, 0) }
        return csqlite_bind_blob(statement, index, base, Int32(raw.count))
      }
    }
  }
}

/// The row a statement stands on. Lives only as long as it stands there.
struct Row {
  fileprivate let handle: OpaquePointer

  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
  func int(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
  func count(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }
  func flag(_ column: Int32) -> Bool { sqlite3_column_int64(handle, column) != 0 }
  func real(_ column: Int32) -> Double { sqlite3_column_double(handle, column) }

  func text(_ column: Int32) -> String {
    guard let bytes = sqlite3_column_text(handle, column) else { return "" }
    let count = Int(sqlite3_column_bytes(handle, column))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  func blob(_ column: Int32) -> [UInt8] {
    guard let bytes = sqlite3_column_blob(handle, column) else { return [] }
    return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(handle, column))))
  }

  func intIfAny(_ column: Int32) -> Int? { isNull(column) ? nil : count(column) }
  func realIfAny(_ column: Int32) -> Double? { isNull(column) ? nil : real(column) }
  func textIfAny(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
}
