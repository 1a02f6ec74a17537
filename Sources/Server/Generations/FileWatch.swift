import Dispatch
import Glibc
import Synchronization

/// Tells when something below some folders changes: files written, made, renamed or removed, at any depth. It says that
/// something happened, never what: whoever is told reads the folders again.
///
/// Editors save by a rename, version control by many; so nothing is told before the folders were quiet for a while. A
/// folder that is not there is waited for in its parent. To be stopped by whoever started it.
final class FileWatch: Sendable {
  /// Folders watched at most below the given ones; plugins have few, and a home folder given by mistake has millions.
  static let foldersMax = 1_024
  /// How long the folders must be quiet.
  static let settle = Duration.milliseconds(200)
  /// Folders that never are quiet are told of all the same after this.
  static let patience = Duration.seconds(2)

  private let roots: [String]
  private let descriptor: Int32
  /// A pipe; closing `stopping` ends the wait.
  private let stopped: Int32
  private let stopping: Int32
  private let onChange: @Sendable () -> Void

  /// - Parameter onChange: called on the watch's own thread; must not block for long.
  /// - Returns: nil where the system offers no more watches.
  init?(_ roots: [String], onChange: @escaping @Sendable () -> Void) {
    descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    var ends: [Int32] = [-1, -1]
    if pipe(&ends) != 0 { ends = [-1, -1] }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (stopped, stopping) = (ends[0], ends[1])
    self.roots = roots
    self.onChange = onChange
    guard descriptor >= 0, stopped >= 0 else {
      for open in [descriptor, stopped, stopping] where open >= 0 { close(open) }
      return nil
    }
    watchAll()
    // The wait blocks, so it has a thread of its own.
    DispatchQueue(label: "lunaport.configuration.watch").async { self.run() }
  }

  /// Call it once.
  func stop() { close(stopping) }

  private func run() {
    var pendingSince: ContinuousClock.Instant?
    var lastEvent = ContinuousClock.now
    while true {
      var wait: Int32 = -1
      if let since = pendingSince {
        let deadline = min(lastEvent + FileWatch.settle, since + FileWatch.patience)
        wait = FileWatch.milliseconds(until: deadline)
        if wait <= 0 {
          pendingSince = nil
          onChange()
          continue
        }
      }
      var events = [
        pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        pollfd(fd: stopped, events: Int16(POLLIN), revents: 0),
      ]
      let count = poll(&events, 2, wait)
      if count < 0, errno != EINTR { break }
      if events[1].revents != 0 { break }
      guard count > 0 else { continue }
      var buffer = [UInt8](repeating: 0, count: 16 << 10)
      while read(descriptor, &buffer, buffer.count) > 0 {}
      // What was made may be a folder; what was removed took its watch along.
      watchAll()
      lastEvent = .now
      pendingSince = pendingSince ?? lastEvent
    }
    close(descriptor)
    close(stopped)
  }

  private static func milliseconds(until deadline: ContinuousClock.Instant) -> Int32 {
    let left = ContinuousClock.now.duration(to: deadline).components
    return Int32(clamping: left.seconds * 1_000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }

  private static let mask =
    UInt32(IN_CLOSE_WRITE) | UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO)
    | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)

  /// Watching what is watched already changes nothing.
  private func watchAll() {
    var left = FileWatch.foldersMax
    for root in roots {
      var folder = root
      while inotify_add_watch(descriptor, folder, FileWatch.mask) < 0, folder != "/", folder != "." {
        folder = FileWatch.parent(of: folder)
      }
      if folder == root { watchBelow(root, &left) }
    }
  }

  private func watchBelow(_ folder: String, _ left: inout Int) {
    guard let handle = opendir(folder) else { return }
    defer { closedir(handle) }
    while left > 0, let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      guard name != ".", name != "..", Int32(entry.pointee.d_type) == Int32(DT_DIR) else { continue }
      left -= 1
      if inotify_add_watch(descriptor, "\(folder)/\(name)", FileWatch.mask) >= 0 {
        watchBelow("\(folder)/\(name)", &left)
      }
    }
  }

  private static func parent(of folder: String) -> String {
    guard let slash = folder.lastIndex(of: "/") else { return "." }
    return slash == folder.startIndex ? "/" : String(folder[..<slash])
  }
}
