import Glibc
import Model
import Synchronization

/// Logs in a folder, one file for each attempt: `ab/<run>-<attempt>.log`. A file's length is all the state there is.
public final class FolderRunLogs: RunLogs {
  private let folder: String
  private let bytesMax: Int64
  private let marker: [UInt8]
  private let threads = DiskThreads("lunaport.logs")
  private let unsynced = Mutex<Set<String>>([])
  /// Two appends to one log must not overlap; which of these locks a log has follows from its name.
  private let locks = (0..<64).map { _ in Lock() }

  private final class Lock: Sendable {
    let mutex = Mutex(())
  }

  public init(folder: String, bytesMax: Int64 = LogLimits.attemptBytesMax) throws(StoreError) {
    self.folder = folder
    self.bytesMax = bytesMax
    marker = Array("\n[lunaport: more than \(bytesMax) bytes were printed; the rest is not kept]\n".utf8)
    try Files.makeFolder(folder)
  }

  public func append(
    _ bytes: [UInt8], at offset: Int64, run: String, attempt: Int
  ) async throws(StoreError) -> LogSize {
    let path = try path(run, attempt)
    guard (0...Int64.max / 2).contains(offset) else {
      throw StoreError(.invalid, "a log has no offset \(offset)")
    }
    return try await threads.run { () throws(StoreError) in
      let result = self.lock(of: path).mutex.withLock { _ in
        Result { () throws(StoreError) in try self.append(bytes, at: offset, to: path) }
      }
      return try result.get()
    }
  }

  public func size(run: String, attempt: Int) async throws(StoreError) -> LogSize {
    let path = try path(run, attempt)
    return try await threads.run { () throws(StoreError) in self.state(of: try Files.size(path) ?? 0) }
  }

  public func read(
    run: String, attempt: Int, from offset: Int64, limit: Int
  ) async throws(StoreError) -> [UInt8] {
    let path = try path(run, attempt)
    guard offset >= 0 else { throw StoreError(.invalid, "a log has no offset \(offset)") }
    return try await threads.run { () throws(StoreError) in
      try Files.read(path, from: offset, count: min(max(limit, 0), LogLimits.readBytesMax)) ?? []
    }
  }

  public func sync() async throws(StoreError) {
    try await threads.run { () throws(StoreError) in
      let paths = self.unsynced.withLock { paths in
        defer { paths = [] }
        return paths
      }
      do throws(StoreError) {
        for path in paths { try Files.sync(path) }
        for folder in Set(paths.map(Files.folder)) { try Files.sync(folder) }
      } catch {
        self.unsynced.withLock { $0.formUnion(paths) }
        throw error
      }
    }
  }

  public func removeOrphans(
    _ known: @escaping @Sendable ([String]) async throws(StoreError) -> Set<String>
  ) async throws(StoreError) -> Removal {
    var removal = Removal()
    for part in try await threads.run({ () throws(StoreError) in try Files.names(in: self.folder) }) {
      let shelf = "\(folder)/\(part)"
      let names = try await threads.run { () throws(StoreError) in try Files.names(in: shelf) }
      let runs = Set(names.compactMap(FolderRunLogs.run(ofLog:)))
      let living = try await known(runs.sorted())
      for name in names {
        guard let run = FolderRunLogs.run(ofLog: name), !living.contains(run) else { continue }
        removal += try await threads.run { () throws(StoreError) in try self.remove("\(shelf)/\(name)") }
      }
    }
    return removal
  }

  // MARK: -

  /// The run of a log, from the name of its file; nil for files that are none.
  private static func run(ofLog name: String) -> String? {
    guard name.hasSuffix(".log"), let dash = name.lastIndex(of: "-") else { return nil }
    return String(name[..<dash])
  }

  private func remove(_ path: String) throws(StoreError) -> Removal {
    let result = lock(of: path).mutex.withLock { _ in
      Result { () throws(StoreError) in try Files.remove(path) }
    }
    let removal = try result.get()
    unsynced.withLock { _ = $0.remove(path) }
    return removal
  }

  private func lock(of path: String) -> Lock {
    locks[Int(UInt(bitPattern: path.hashValue) % UInt(locks.count))]
  }

  private func path(_ run: String, _ attempt: Int) throws(StoreError) -> String {
    if let problem = Name.problem(with: run) { throw StoreError(.invalid, "the run id \(problem)") }
    return "\(folder)/\(run.prefix(2))/\(run)-\(attempt).log"
  }

  private func state(of length: Int64) -> LogSize {
    let isTruncated = length > bytesMax
    return LogSize(stored: length, next: min(length, bytesMax), isTruncated: isTruncated)
  }

  private func append(_ bytes: [UInt8], at offset: Int64, to path: String) throws(StoreError) -> LogSize {
    let descriptor = try open(path)
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw StoreError(errno: errno, "read the size of `\(path)`") }
    let length = Int64(status.st_size)
    let end = offset + Int64(bytes.count)
    let kept = min(length, bytesMax)
    guard offset <= kept || length > bytesMax else {
      throw StoreError(
        .gap, "the log has \(kept) bytes, and what was sent begins at \(offset)", hint: "send it from \(kept)",
        size: kept)
    }
    let fresh = min(end, bytesMax)
    if fresh > kept {
      try Files.write(bytes[Int(kept - offset)..<Int(fresh - offset)], to: descriptor, at: kept, path)
    }
    var stored = max(length, fresh)
    let full = bytesMax + Int64(marker.count)
    if end > bytesMax, length < full {
      // Also where a crash cut the marker itself short.
      try Files.write(marker[...], to: descriptor, at: bytesMax, path)
      stored = full
    }
    if stored > length { unsynced.withLock { _ = $0.insert(path) } }
    return LogSize(
      stored: stored, next: stored > bytesMax ? max(end, bytesMax) : stored, isTruncated: stored > bytesMax)
  }

  private func open(_ path: String) throws(StoreError) -> Int32 {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC
    var descriptor = Glibc.open(path, flags, 0o600)
    if descriptor < 0, errno == ENOENT {
      try Files.makeFolder(Files.folder(of: path))
      descriptor = Glibc.open(path, flags, 0o600)
    }
    guard descriptor >= 0 else { throw StoreError(errno: errno, "open `\(path)`") }
    return descriptor
  }
}
