import CSQLite

extension StoreError {
  /// What a result code of SQLite means here.
  /// - Parameter action: the SQL, without its values, or what was tried.
  init(sqlite code: Int32, message: String, during action: String) {
    switch code & 0xFF {
    case SQLITE_FULL:
      self.init(.full, "no space is left for the database", hint: "free space where the data folder is, then try again")
    case SQLITE_READONLY:
      self.init(.readOnly, "the database cannot be written: \(message)", hint: "check the owner and mode of its folder")
    case SQLITE_CORRUPT:
      self.init(
        .corrupt, "the database is damaged: \(message)",
        hint: "stop the server, run `lunaport doctor`, and restore a backup where it finds damage")
    case SQLITE_NOTADB:
      self.init(.foreign, "the file is no SQLite database", hint: "move it away, or name another data folder")
    case SQLITE_BUSY, SQLITE_LOCKED:
      self.init(
        .busy, "another program holds a lock on the database",
        hint: "close it; a backup needs `lunaport doctor --backup`")
    case SQLITE_IOERR:
      self.init(.io, "the database could not be read or written: \(message) (\(code))", hint: "check the disk")
    case SQLITE_CANTOPEN:
      self.init(.io, "the database could not be opened: \(message)", hint: "check that its folder exists and is yours")
    case SQLITE_NOMEM:
      self.init(.io, "no memory is left for the database")
    case SQLITE_TOOBIG:
      self.init(.tooLarge, "a value is larger than a database row may be")
    default:
      self.init(.defect, "the database refused (\(code)): \(message), during: \(action.prefix(200))")
    }
  }
}
