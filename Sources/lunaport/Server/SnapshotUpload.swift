import Arguments
import Client
import HTTP
import Model
import Snapshot

/// Sends the server what it does not have of a snapshot.
struct SnapshotUpload: Sendable {
  let client: APIClient
  let console: Console

  /// Blobs whose presence is asked for in one request.
  private static let asked = 5_000
  /// Blobs sent at a time: enough to hide the round trips of many small files.
  private static let atOnce = 8

  /// - Returns: how many blobs were sent, and their bytes.
  func send(_ snapshot: Snapshot) async throws -> (count: Int, bytes: Int64) {
    var missing: Set<String> = []
    let all = snapshot.blobs.map(\.sha256)
    for start in stride(from: 0, to: all.count, by: Self.asked) {
      missing.formUnion(try await client.missingBlobs(Array(all[start..<min(start + Self.asked, all.count)])))
    }
    let blobs = snapshot.blobs.filter { missing.contains($0.sha256) }
    defer { console.show(nil) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      var waiting = blobs[...]
      for blob in waiting.prefix(Self.atOnce) { group.addTask { try await send(blob) } }
      waiting = waiting.dropFirst(Self.atOnce)
      var done = 0
      while try await group.next() != nil {
        done += 1
        console.show(Progress("sending files", done: done, of: blobs.count))
        if let blob = waiting.popFirst() { group.addTask { try await send(blob) } }
      }
    }
    return (blobs.count, blobs.reduce(0) { $0 + $1.size })
  }

  private func send(_ blob: Snapshot.Blob) async throws {
    var retries = Retries()
    while true {
      do {
        switch blob.content {
        case .file(let path): try await put(blob.sha256, path)
        case .bytes(let bytes): try await client.putBlob(blob.sha256, .bytes(bytes))
        }
        return
      } catch {
        try await retries.wait(after: error)
      }
    }
  }

  private func put(_ sha256: String, _ path: String) async throws(APIError) {
    do {
      try await client.putBlob(sha256, .file(path: path))
    } catch {
      // The server's own words speak of hashes; people know files.
      guard case .refused(let status, var body) = error, (400..<500).contains(status), status != 401, status != 403
      else { throw error }
      body.message = "\(path) cannot be sent: \(body.message)"
      if body.code == "invalid" { body.hint = "run this again when nothing writes to the folder" }
      throw .refused(status: status, body)
    }
  }
}
