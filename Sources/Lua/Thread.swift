import Glibc

/// A thread that runs the jobs of one actor in order. Lua code may hold it for as long as its budget allows, which a
/// thread of the shared pool must not be held.
final class LuaThread: SerialExecutor, @unchecked Sendable {
  // Invariant: `jobs` and `stopped` are touched only with `mutex` held; the other fields never change.
  private var jobs: [UnownedJob] = []
  private var stopped = false
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Address space, not memory: Lua nests at most 200 C calls, and copies recurse as deep.
  private static let stackBytes = 8 << 20

  /// Throws where the machine has no room for a thread.
  init() throws(LuaError) {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, Self.stackBytes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    // The thread keeps this object alive until `stop`.
    let context = Unmanaged.passRetained(self).toOpaque()
    let status = pthread_create(&thread, &attributes, { LuaThread.main($0) }, context)
    if status != 0 {
      Unmanaged<LuaThread>.fromOpaque(context).release()
      throw LuaError(.memory, "no thread for a Lua state: \(String(cString: strerror(status)))")
    }
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pthread_mutex_lock(mutex)
    jobs.append(job)
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Ends the thread once it has nothing more to do. Called when the actor goes: no job can come any more.
  func stop() {
    pthread_mutex_lock(mutex)
    stopped = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Waits for jobs; nil once stopped.
  private func take() -> [UnownedJob]? {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while jobs.isEmpty {
      if stopped { return nil }
      pthread_cond_wait(condition, mutex)
    }
    defer { jobs.removeAll(keepingCapacity: jobs.count < 1_024) }
    return jobs
  }

  private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let thread = Unmanaged<LuaThread>.fromOpaque(context).takeRetainedValue()
    while let jobs = thread.take() {
      for job in jobs { job.runSynchronously(on: thread.asUnownedSerialExecutor()) }
    }
    return nil
  }
}
