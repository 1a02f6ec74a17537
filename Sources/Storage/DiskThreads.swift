import Dispatch

/// Where blocking calls on files are made, so that no thread of the cooperative pool ever waits for a disk.
struct DiskThreads: Sendable {
  private let queue: DispatchQueue

  init(_ label: String) { queue = DispatchQueue(label: label, attributes: .concurrent) }

  func run<T: Sendable>(_ body: @escaping @Sendable () throws(StoreError) -> T) async throws(StoreError) -> T {
    let result: Result<T, StoreError> = await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: Result { () throws(StoreError) in try body() }) }
    }
    return try result.get()
  }
}
