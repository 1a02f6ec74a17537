import CLinux
import Glibc

/// What /proc says of the processes of this machine at one moment.
struct ProcessTable {
  struct Row {
    var parent: Int32
    /// Ticks of processor time, with that of children it has waited for.
    var ticks: UInt64
    var residentPages: Int64
  }
  var rows: [Int32: Row] = [:]
  private var children: [Int32: [Int32]] = [:]

  /// Ticks in a second.
  static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
  static let pageSize = Int64(max(1, sysconf(Int32(_SC_PAGESIZE))))

  init() {
    for name in Disk.names(in: "/proc") {
      guard let process = Int32(name), let text = Disk.text("/proc/\(name)/stat", limit: 4_096) else { continue }
      guard let row = ProcessTable.row(text) else { continue }
      rows[process] = row
      children[row.parent, default: []].append(process)
    }
  }

  /// Reads one line of /proc/PID/stat. The name in it may hold anything, parentheses and spaces included.
  static func row(_ text: String) -> Row? {
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    // From field 3 (state) on: parent is field 4, times are 14 to 17, resident pages 24.
    guard fields.count > 21, let parent = Int32(fields[1]), let pages = Int64(fields[21]) else { return nil }
    let ticks = fields[11...14].reduce(UInt64(0)) { $0 + (UInt64($1) ?? 0) }
    return Row(parent: parent, ticks: ticks, residentPages: pages)
  }

  /// Use of everything below `root`, which holds it, and of `root`'s own dead children.
  func use(below root: Int32) -> (ticks: UInt64, memory: Int64, processes: Int) {
    var total: (ticks: UInt64, memory: Int64, processes: Int) = (rows[root]?.ticks ?? 0, 0, 0)
    var rest = children[root] ?? []
    while let process = rest.popLast() {
      guard let row = rows[process] else { continue }
      total.ticks += row.ticks
      total.memory += row.residentPages * ProcessTable.pageSize
      total.processes += 1
      rest += children[process] ?? []
    }
    return total
  }

  /// Kills every process whose environment says that it belongs to the held program of `folder`. Used where what held
  /// them is gone, and with it the only one who knew their ids. Gives their number.
  @discardableResult
  static func killStrays(of folder: String) -> Int { killAll(with: Processes.folderVariable, folder) }

  /// Kills every process that has this variable in its environment, and tells how many there were.
  @discardableResult
  static func killAll(with variable: String, _ text: String) -> Int {
    let mark = Array("\(variable)=\(text)".utf8)
    var killed = 0
    for name in Disk.names(in: "/proc") {
      guard let process = Int32(name), process != getpid() else { continue }
      // Opened before the environment is read: if the id changes hands in between, the signal still reaches only the
      // process that we opened, and that one has ended.
      let pidfd = pidfd_open(process, 0)
      guard pidfd >= 0 else { continue }
      defer { close(pidfd) }
      guard let bytes = Disk.read("/proc/\(name)/environ", limit: 1 << 22) else { continue }
      guard bytes.split(separator: 0).contains(where: { $0.elementsEqual(mark) }) else { continue }
      if linux_send(pidfd, SIGKILL, 0) == 0 { killed += 1 }
    }
    return killed
  }
}
