/// How a command ended, as the shell sees it.
public struct ExitCode: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32

  /// Any other code, such as that of a run that was watched to its end.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// Everything asked for was done.
  public static let ok = ExitCode(rawValue: 0)
  /// It was done, and what it found is bad: findings of a check, or a run that failed.
  public static let findings = ExitCode(rawValue: 1)
  /// It could not be done: no server, no file, no permission.
  public static let couldNotRun = ExitCode(rawValue: 2)
  /// The command line is wrong (EX_USAGE of sysexits.h).
  public static let usage = ExitCode(rawValue: 64)
  /// The configuration is wrong (EX_CONFIG of sysexits.h).
  public static let configuration = ExitCode(rawValue: 78)
}

/// An error that knows how it wants to be told to a person and how the program ends because of it.
///
/// Errors of any other type are told by their description and end the program with `couldNotRun`.
public protocol CommandFailure: Error {
  var exitCode: ExitCode { get }
  /// The whole text for standard error, without a last newline.
  func report(on terminal: Terminal) -> String
}

/// A mistake in the command line that only the command itself can see, such as two options that exclude each other.
///
/// Thrown by a command's body, it is shown as the parser's own mistakes are: with the usage line and exit code 64.
public struct UsageError: Error, Equatable {
  public let problems: [String]

  /// Each problem is a whole sentence.
  public init(_ problems: String...) { self.problems = problems }
  public init(_ problems: [String]) { self.problems = problems }
}
