/// The configuration that a server runs on, and whether its files say something else by now.
public struct ConfigurationView: Sendable, Hashable, Codable {
  /// Counts the generations that were taken into service.
  public var generation: Int
  public var loadedAt: String
  /// The files have changed since, and what they say has errors: this generation stays.
  public var stale: Bool
  public var staleSince: String?
  /// Of the newest reading of the files, each as `check --format json` prints it.
  public var diagnostics: [Value]
  public var files: [String]

  enum CodingKeys: String, CodingKey {
    case generation, stale, diagnostics, files
    case loadedAt = "loaded_at"
    case staleSince = "stale_since"
  }

  public init(
    generation: Int, loadedAt: String, stale: Bool, staleSince: String?, diagnostics: [Value], files: [String]
  ) {
    self.generation = generation
    self.loadedAt = loadedAt
    self.stale = stale
    self.staleSince = staleSince
    self.diagnostics = diagnostics
    self.files = files
  }
}
