import CLinux
import Glibc

/// Control groups in which this process may make groups of its own, to keep limits of memory and processor time.
///
/// Both versions are used as they are found: version 1 where its controllers are mounted, version 2 where the controller
/// is already handed down to where we are (`cgroup.subtree_control`), for moving other processes about is not ours to do.
public struct Cgroups: Sendable, Hashable {
  struct Place: Sendable, Hashable {
    var folder: String
    var isVersion2: Bool
  }
  var memory: Place?
  var cpu: Place?

  public var limitsMemory: Bool { memory != nil }
  public var limitsCPU: Bool { cpu != nil }

  /// None at all: every limit is refused.
  public static let none = Cgroups()

  /// Looks where groups can be made, and makes one to be sure.
  public static func detect() -> Cgroups {
    guard let mounts = Disk.text("/proc/self/mountinfo"), let own = Disk.text("/proc/self/cgroup") else { return none }
    return Cgroups(mounts: mounts, own: own) { place, control in
      let trial = "\(place)/lunaport-trial-\(getpid())"
      guard mkdir(trial, 0o755) == 0 else { return false }
      defer { rmdir(trial) }
      return Disk.exists("\(trial)/\(control)")
    }
  }

  init() {}

  /// - Parameters:
  ///   - mounts: text of /proc/self/mountinfo.
  ///   - own: text of /proc/self/cgroup.
  ///   - isUsable: whether a group made in a folder has a control file of this name.
  init(mounts: String, own: String, isUsable: (_ folder: String, _ control: String) -> Bool) {
    var paths: [Substring: Substring] = [:]
    for line in own.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      // Version 2 has one line with no controllers.
      for controller in parts[1].split(separator: ",") { paths[controller] = parts[2] }
      if parts[1].isEmpty { paths[""] = parts[2] }
    }
    for line in mounts.split(separator: "\n") {
      let halves = line.split(separator: " ").split(separator: "-", maxSplits: 1)
      guard halves.count == 2, let head = halves.first, let tail = halves.last, head.count >= 5, tail.count >= 3 else {
        continue
      }
      let kind = tail[tail.startIndex]
      let root = head[head.startIndex + 3]
      let mount = head[head.startIndex + 4]
      let options = Set(tail[tail.startIndex + 2].split(separator: ","))
      for (controller, controls) in [
        ("memory", ["memory.limit_in_bytes", "memory.max"]), ("cpu", ["cpu.cfs_quota_us", "cpu.max"]),
      ] {
        if controller == "memory" ? memory != nil : cpu != nil { continue }
        let isVersion2 = kind == "cgroup2"
        guard isVersion2 || (kind == "cgroup" && options.contains(Substring(controller))) else { continue }
        guard let path = paths[isVersion2 ? "" : Substring(controller)] else { continue }
        // Inside a container the mount shows only a part of the tree, which our path may lie above.
        let inside = root == "/" ? path : path.hasPrefix(root) ? path.dropFirst(root.count) : "/"
        let folders = inside == "/" ? ["\(mount)"] : ["\(mount)\(inside)", "\(mount)"]
        for folder in folders where isUsable(folder, controls[isVersion2 ? 1 : 0]) {
          let place = Place(folder: folder, isVersion2: isVersion2)
          if controller == "memory" { memory = place } else { cpu = place }
          break
        }
      }
    }
  }

  /// Groups of one held program, made with their limits.
  struct Group {
    var folders: [String]
    /// File with a line `oom_kill N`.
    var outOfMemory: String?
  }

  /// Folders that a program with this token may have groups at.
  func folders(_ token: String) -> [String] {
    var folders: [String] = []
    for place in [memory, cpu] {
      if let place, !folders.contains("\(place.folder)/lunaport-\(token)") {
        folders.append("\(place.folder)/lunaport-\(token)")
      }
    }
    return folders
  }

  /// Makes what the limits need. Nothing is left behind where it throws.
  func make(_ token: String, memory bytes: Int64?, cpus: Double?) throws(ProcessFailure) -> Group {
    var group = Group(folders: [], outOfMemory: nil)
    do throws(ProcessFailure) {
      if let bytes {
        guard let memory else {
          throw ProcessFailure(
            .unsupported, "this machine cannot keep a memory limit: no memory control group can be made",
            hint: "run the agent as root or in a delegated control group, or leave the limit out")
        }
        let folder = "\(memory.folder)/lunaport-\(token)"
        try Cgroups.make(folder, &group)
        if memory.isVersion2 {
          try Cgroups.set(folder, "memory.max", "\(bytes)")
          // Best effort: where there is no swap there are no such files.
          try? Cgroups.set(folder, "memory.swap.max", "0")
          try? Cgroups.set(folder, "memory.oom.group", "1")
          group.outOfMemory = "\(folder)/memory.events"
        } else {
          try Cgroups.set(folder, "memory.limit_in_bytes", "\(bytes)")
          try? Cgroups.set(folder, "memory.memsw.limit_in_bytes", "\(bytes)")
          group.outOfMemory = "\(folder)/memory.oom_control"
        }
      }
      if let cpus {
        guard let cpu else {
          throw ProcessFailure(
            .unsupported, "this machine cannot keep a processor limit: no cpu control group can be made",
            hint: "run the agent as root or in a delegated control group, or leave the limit out")
        }
        let folder = "\(cpu.folder)/lunaport-\(token)"
        if !group.folders.contains(folder) { try Cgroups.make(folder, &group) }
        // The kernel refuses quotas under a millisecond.
        let period = 100_000
        let quota = max(1_000, Int(min(cpus, 100_000) * Double(period)))
        if cpu.isVersion2 {
          try Cgroups.set(folder, "cpu.max", "\(quota) \(period)")
        } else {
          try Cgroups.set(folder, "cpu.cfs_period_us", "\(period)")
          try Cgroups.set(folder, "cpu.cfs_quota_us", "\(quota)")
        }
      }
    } catch {
      for folder in group.folders { rmdir(folder) }
      throw error
    }
    return group
  }

  /// Removes what is left of a program's groups; every process in them must have ended.
  package func remove(_ token: String) {
    for folder in folders(token) { rmdir(folder) }
  }

  /// Bytes of memory that a program's own group holds, counting shared pages once; nil where it has no such group.
  func memoryInUse(_ token: String) -> Int64? {
    guard let memory else { return nil }
    guard let text = Disk.text("\(memory.folder)/lunaport-\(token)/memory.stat") else { return nil }
    let key = memory.isVersion2 ? "anon " : "total_rss "
    for line in text.split(separator: "\n") where line.hasPrefix(key) { return Int64(line.dropFirst(key.count)) }
    return nil
  }

  private static func make(_ folder: String, _ group: inout Group) throws(ProcessFailure) {
    // One of the same token that is still there is empty, or its program would be held; anything else is refused.
    guard mkdir(folder, 0o755) == 0 || errno == EEXIST else {
      throw ProcessFailure(errno: errno, "make control group \(folder)")
    }
    group.folders.append(folder)
  }

  private static func set(_ folder: String, _ name: String, _ value: String) throws(ProcessFailure) {
    let path = "\(folder)/\(name)"
    let file = linux_open(path, O_WRONLY, 0)
    guard file >= 0 else { throw ProcessFailure(errno: -file, "set \(path) to \(value)") }
    defer { close(file) }
    var text = value
    let put = text.withUTF8 { write(file, $0.baseAddress, $0.count) }
    guard put >= 0 else { throw ProcessFailure(errno: errno, "set \(path) to \(value)") }
  }
}
