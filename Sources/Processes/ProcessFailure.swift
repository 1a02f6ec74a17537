import CLinux
import Glibc

/// Why the machine could not do what was asked with a process.
public struct ProcessFailure: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// The program or its folder is not there.
    case notFound
    /// The program or its folder may not be used.
    case permission
    /// The request makes no sense: an empty command, a zero byte in an argument, a token that is no file name.
    case invalid
    /// This machine cannot keep a limit that was asked for.
    case unsupported
    /// The process still runs, so what was asked cannot be done now.
    case busy
    /// The waiting task was cancelled.
    case cancelled
    /// The machine is short of something (processes, files, memory, disk); it may work later.
    case resources
    /// Anything else the kernel answered.
    case system
  }
  public var code: Code
  /// The fact, in one sentence without a full stop.
  public var message: String
  /// One thing to do about it, where there is one.
  public var hint: String?

  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String { hint.map { "\(message) (\($0))" } ?? message }

  /// What the kernel answered to `action`, such as `open /a/b`.
  public init(errno number: Int32, _ action: String, hint: String? = nil) {
    let code: Code =
      switch number {
      case ENOENT, ENOTDIR: .notFound
      case EACCES, EPERM: .permission
      case EAGAIN, ENOMEM, EMFILE, ENFILE, ENOSPC, EDQUOT: .resources
      case EINVAL, E2BIG, ENAMETOOLONG: .invalid
      default: .system
      }
    self.init(code, "cannot \(action): \(String(cString: strerror(number)))", hint: hint)
  }
}
