import Dispatch
import Glibc
import Synchronization

/// Tells when something below some folders changes: files written, made, renamed or removed, at any depth. It says that
/// something happened, never what: whoever is told reads the folders again.
///
/// Editors save by a rename, version control by many; so nothing is told before the folders were quiet for a while. A
/// folder that is not there is waited for in its parent.
final class FileWatch: Sendable {
  /// Folders watched at most below the given ones; plugins have few, and a home folder given by mistake has millions.
  static let foldersMax = 1_024
  /// How long the folders must be quiet.
  static let settle = DispatchTimeInterval.milliseconds(200)
  /// A folder that never is quiet is told of all the same after this.
  static let patience = DispatchTimeInterval.seconds(2)

  private struct State {
    var folders: [Int32: String] = [:]
    var pendingSince: DispatchTime?
    var isStopped = false
  }

  private let roots: [String]
  private let descriptor: Int32
  private let queue = DispatchQueue(label: "lunaport.configuration.watch")
  private let source: any DispatchSourceRead
  private let timer: any DispatchSourceTimer
  private let onChange: @Sendable () -> Void
  private let state = Mutex(State())

  /// - Parameter onChange: called on a queue of its own; must not block for long.
  /// - Returns: nil where the system offers no more watches.
  init?(_ roots: [String], onChange: @escaping @Sendable () -> Void) {
    descriptor = inotify_init1(Int32(IN_NONBLOCK.rawValue) | Int32(IN_CLOEXEC.rawValue))
    guard descriptor >= 0 else { return nil }
    self.roots = roots
    self.onChange = onChange
    let descriptor = descriptor
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    timer = DispatchSource.makeTimerSource(queue: queue)
    source.setCancelHandler { Glibc.close(descriptor) }
    state.withLock { state in for root in roots { watch(root, &state) } }
    source.setEventHandler { [weak self] in self?.read() }
    timer.setEventHandler { [weak self] in self?.tell() }
    timer.schedule(deadline: .distantFuture)
    source.resume()
    timer.resume()
  }

  deinit { stop() }

  func stop() {
    let first = state.withLock { state in
      defer { state.isStopped = true }
      return !state.isStopped
    }
    guard first else { return }
    source.cancel()
    timer.cancel()
  }

  private static let mask =
    UInt32(IN_CLOSE_WRITE) | UInt32(IN_CREATE) | UInt32(IN_DELETE) | UInt32(IN_MOVED_FROM) | UInt32(IN_MOVED_TO)
    | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ATTRIB)

  /// Watches a folder and all below it; where it is not there, the nearest parent that is.
  private func watch(_ folder: String, _ state: inout State) {
    guard state.folders.count < FileWatch.foldersMax else { return }
    let watch = inotify_add_watch(descriptor, folder, FileWatch.mask | UInt32(IN_ONLYDIR))
    guard watch >= 0 else {
      if roots.contains(folder), let parent = FileWatch.parent(of: folder) {
        let watch = inotify_add_watch(descriptor, parent, FileWatch.mask | UInt32(IN_ONLYDIR))
        if watch >= 0 { state.folders[watch] = parent }
      }
      return
    }
    if state.folders[watch] == folder { return }
    state.folders[watch] = folder
    guard let handle = opendir(folder) else { return }
    defer { closedir(handle) }
    while let entry = readdir(handle) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let kind = Int32(entry.pointee.d_type)
      if name != ".", name != "..", kind == Int32(DT_DIR) { self.watch("\(folder)/\(name)", &state) }
    }
  }

  private static func parent(of folder: String) -> String? {
    guard let slash = folder.lastIndex(of: "/") else { return "." }
    return slash == folder.startIndex ? "/" : String(folder[..<slash])
  }

  private func read() {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while Glibc.read(descriptor, &buffer, buffer.count) > 0 {}
    // What was made may be a folder; what was removed takes its watch along.
    let deadline = state.withLock { state -> DispatchTime in
      state.folders = [:]
      for root in roots { watch(root, &state) }
      let now = DispatchTime.now()
      let since = state.pendingSince ?? now
      state.pendingSince = since
      return min(now + FileWatch.settle, since + FileWatch.patience)
    }
    timer.schedule(deadline: deadline)
  }

  private func tell() {
    state.withLock { $0.pendingSince = nil }
    onChange()
  }
}
