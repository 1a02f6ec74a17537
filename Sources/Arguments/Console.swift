import Glibc
import Synchronization

/// Why output could not be written.
public enum OutputError: CommandFailure, Equatable {
  /// Whoever read it has gone, as `head` does. The program ends quietly.
  case closed
  /// The system's own code (errno): no space left, say.
  case failed(Int32)

  public var exitCode: ExitCode { self == .closed ? .ok : .couldNotRun }

  public func report(on terminal: Terminal) -> String {
    let fact =
      switch self {
      case .closed: "its reader has gone"
      case .failed(let code): String(cString: strerror(code))
      }
    return terminal.paint("error:", .bold, .red) + " The output cannot be written: \(fact)."
  }
}

/// Where a command writes: results to standard output, everything else to standard error.
public final class Console: Sendable {
  public enum Stream: Sendable { case output, errors }

  /// What standard output is.
  public let output: Terminal
  /// What standard error is.
  public let errors: Terminal
  private let put: @Sendable (Stream, [UInt8]) throws(OutputError) -> Void
  private let progress = Mutex(Shown())

  /// The progress line that stands on the terminal, or waits for its last line to end.
  private struct Shown {
    var line = ""
    var frame = 0
    var isDrawn = false
    /// Output has begun a line and not ended it: what is drawn now would be written into it.
    var isWithinLine = false
  }

  private static let clearLine = "\r\u{1B}[K"

  /// - Parameter put: writes all of the bytes, or throws. Calls come one at a time.
  public init(
    output: Terminal, errors: Terminal,
    put: @escaping @Sendable (Stream, [UInt8]) throws(OutputError) -> Void
  ) {
    self.output = output
    self.errors = errors
    self.put = put
  }

  /// Writes a line to standard output. A body lets the error through; the program then ends as the error says.
  public func print(_ line: String) throws(OutputError) { try write(Array((line + "\n").utf8)) }

  /// Writes to standard output as it is, such as pieces of a log.
  public func write(_ bytes: [UInt8]) throws(OutputError) {
    try progress.withLock { shown throws(OutputError) in
      erase(&shown)
      try put(.output, bytes)
      if let last = bytes.last { shown.isWithinLine = output.isTerminal && last != UInt8(ascii: "\n") }
      draw(&shown)
    }
  }

  /// Writes a line to standard error. That it fails is told to nobody: there is nowhere left to tell it.
  public func report(_ line: String) {
    progress.withLock { shown in
      erase(&shown)
      try? put(.errors, Array((line + "\n").utf8))
      draw(&shown)
    }
  }

  /// Shows how far it has come, in place of what was shown before; nil takes it away. Only a terminal shows it.
  public func show(_ state: Progress?) {
    progress.withLock { shown in
      erase(&shown)
      shown.line = state?.line(on: errors, frame: shown.frame) ?? ""
      shown.frame = state == nil ? 0 : shown.frame + 1
      draw(&shown)
    }
  }

  private func erase(_ shown: inout Shown) {
    guard shown.isDrawn else { return }
    try? put(.errors, Array(Self.clearLine.utf8))
    shown.isDrawn = false
  }

  private func draw(_ shown: inout Shown) {
    guard !shown.line.isEmpty, !shown.isWithinLine else { return }
    try? put(.errors, Array(shown.line.utf8))
    shown.isDrawn = true
  }
}

extension Console {
  /// That of this process.
  ///
  /// SIGPIPE is ignored from here on, so that a reader that goes away is an error of `write` and not the end of the
  /// process in the middle of something. Children inherit that: who starts one sets SIGPIPE back to its default.
  public static func standard(environment: Environment = .process) -> Console {
    signal(SIGPIPE, SIG_IGN)
    return Console(
      output: terminal(STDOUT_FILENO, environment), errors: terminal(STDERR_FILENO, environment)
    ) { stream, bytes throws(OutputError) in
      try writeAll(bytes, to: stream == .output ? STDOUT_FILENO : STDERR_FILENO)
    }
  }

  private static func terminal(_ descriptor: Int32, _ environment: Environment) -> Terminal {
    var size = winsize()
    let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return Terminal(
      isTerminal: isatty(descriptor) == 1, columns: isKnown ? Int(size.ws_col) : nil, environment: environment)
  }
}

/// Writes all of the bytes, through interruptions and through a descriptor that somebody made non-blocking.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) throws(OutputError) {
  var rest = bytes[...]
  while !rest.isEmpty {
    let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    if written >= 0 {
      rest = rest.dropFirst(written)
      continue
    }
    switch errno {
    case EINTR: continue
    case EAGAIN:
      var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      _ = poll(&wait, 1, -1)
    case EPIPE: throw .closed
    case let code: throw .failed(code)
    }
  }
}
