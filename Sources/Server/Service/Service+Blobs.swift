import Hashing
import Model
import Storage
import Synchronization

extension Service {
  func missing(_ hashes: [String]) async throws -> BlobAnswer {
    BlobAnswer(missing: try await blobs.missing(hashes.compactMap { Digest(hex: $0) }).map(\.hex))
  }

  /// Stores content that was received into a file, or into memory where it was empty.
  func putBlob(_ hex: String, file path: String?) async throws -> SizeView {
    guard let digest = Digest(hex: hex) else { throw ServiceError.noSuch("blob", hex) }
    let blob =
      if let path {
        try await blobs.adopt(path, expecting: digest)
      } else {
        try await blobs.put([], expecting: digest)
      }
    return SizeView(size: blob.size)
  }

  /// What is known of content, where the account may read it. Its hash is what people prove their right by: who knows it
  /// had the content, or was shown it. An agent reads what belongs to the runs that it holds, and nothing else.
  func blob(_ hex: String, for account: Account) async throws -> Blob {
    guard let digest = Digest(hex: hex), let blob = try await blobs.blob(sha256: digest) else {
      throw ServiceError.noSuch("blob", hex)
    }
    if account.role == .agent, !(try await isHeld(hex, by: account)) { throw ServiceError.noSuch("blob", hex) }
    return blob
  }

  private func isHeld(_ hex: String, by account: Account) async throws -> Bool {
    var manifests: Set<String> = []
    for agent in roster.agents(of: account.name) {
      for run in try await store.runs(heldBy: agent.id) {
        if let manifest = run.spec.source.manifest { manifests.insert(manifest) }
      }
    }
    if manifests.contains(hex) { return true }
    for name in manifests {
      if let known = rights.contents(of: name) {
        if known.contains(hex) { return true }
      } else if let digest = Digest(hex: name), let manifest = try await manifest(digest) {
        let contents = Set(manifest.files.map(\.sha256))
        rights.note(contents, of: name)
        if contents.contains(hex) { return true }
      }
    }
    return false
  }
}

/// What belongs to manifests, so that an agent which fetches a thousand files does not have one read a thousand times.
/// Manifests never change.
final class BlobRights: Sendable {
  /// Manifests remembered.
  private static let manifestsMax = 64

  private let known = Mutex<[String: Set<String>]>([:])

  func contents(of manifest: String) -> Set<String>? { known.withLock { $0[manifest] } }

  func note(_ contents: Set<String>, of manifest: String) {
    known.withLock { known in
      if known.count >= Self.manifestsMax { known = [:] }
      known[manifest] = contents
    }
  }
}
