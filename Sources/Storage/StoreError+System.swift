import Glibc

extension StoreError {
  /// What an error number of the operating system means here; `action` follows "could not".
  init(errno code: Int32, _ action: String) {
    let reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
    switch code {
    case ENOSPC, EDQUOT, EFBIG:
      self.init(.full, "could not \(action): \(reason)", hint: "free space there, then try again")
    case EROFS, EACCES, EPERM:
      self.init(.readOnly, "could not \(action): \(reason)", hint: "check the owner and mode of its folder")
    default:
      self.init(.io, "could not \(action): \(reason)")
    }
  }
}
