import Model

/// What makes an environment or an image from a code or git job.
///
/// Builds are cached by key: for one key the host calls `build` once, however many runs wait for it.
public protocol Builder: Sendable {
  var name: String { get }
  var sources: Set<SourceKind> { get }
  var targets: Set<String> { get }

  func probe() async -> Probe
  /// Identity of what would be built; two runs with one key share the build. Pure.
  func key(_ request: BuildRequest) async throws(DriverFailure) -> String
  /// Builds, writing its log through `log` as it goes. Idempotent on the key: it may be called again after a crash and
  /// then finds either nothing or a whole result.
  func build(
    _ request: BuildRequest, key: String, log: @escaping @Sendable ([UInt8]) async -> Void
  ) async throws(DriverFailure) -> BuildResult
}

public struct BuildRequest: Sendable, Hashable, Codable {
  public var source: Source
  public var target: String
  /// Where the source was unpacked on the agent's machine.
  public var folder: String
  /// Text of the source's dependency list, so that a key can be worked out without I/O.
  public var requirements: String?
  /// Name of the job, for people who look at what was built.
  public var job: String?
  /// The run asks for GPUs, which may need another base.
  public var gpu: Bool

  public init(
    source: Source, target: String, folder: String, requirements: String? = nil, job: String? = nil, gpu: Bool = false
  ) {
    self.source = source
    self.target = target
    self.folder = folder
    self.requirements = requirements
    self.job = job
    self.gpu = gpu
  }
}

public struct BuildResult: Sendable, Hashable, Codable {
  /// A folder whose `bin` goes first in PATH.
  public var prefix: String?
  /// A pushed image.
  public var image: String?

  public init(prefix: String? = nil, image: String? = nil) {
    self.prefix = prefix
    self.image = image
  }
}
