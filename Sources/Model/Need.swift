/// Something that a queue or a run asks of an agent.
public struct Need: Sendable, Hashable, Codable {
  public enum Kind: Sendable, Hashable, Codable {
    /// A healthy driver of this target.
    case driver(target: String)
    /// A capability of that target's driver.
    case capability(Capability, target: String)
    /// A healthy builder that makes an environment or image for `target` from a source of this kind: the one of this
    /// name and no other, or any where the queue names none.
    case builder(source: SourceKind, target: String, name: String? = nil)
  }

  public var kind: Kind
  /// Why it is needed, to follow "because": `the queue sets a timeout, which is kept by stopping the run`.
  public var why: String
  /// Where that is written, if it is written anywhere.
  public var place: Place?

  public init(_ kind: Kind, why: String, place: Place? = nil) {
    self.kind = kind
    self.why = why
    self.place = place
  }

  /// Short and stable, and different for different needs: `driver slurm`, `capability gpu of kubernetes`,
  /// `builder of code for docker`, `builder kaniko of code for docker`.
  public var text: String {
    switch kind {
    case .driver(let target): "driver \(target)"
    case .capability(let capability, let target): "capability \(capability) of \(target)"
    case .builder(let source, let target, nil): "builder of \(source.rawValue) for \(target)"
    case .builder(let source, let target, let name?): "builder \(name) of \(source.rawValue) for \(target)"
    }
  }
}

extension Need {
  /// What a run asks for beyond what its queue asks: who can run its kind of source on the target.
  ///
  /// Code and git runs on a target that takes images need a builder that makes one; on a target that runs folders they
  /// need a builder only where the source declares dependencies, for any executable is an entry point.
  /// - Parameter builder: the one that the queue names.
  public static func needs(
    of source: Source, target: String, targetTakes: Set<Capability>, builder: String? = nil
  ) -> [Need] {
    let named = builder == nil ? "" : ", and the queue names its builder"
    switch source.kind {
    case .image:
      return [Need(.capability(.imageSource, target: target), why: "the job is an image")]
    case .code, .git:
      let direct = Capability.running(source.kind)
      let what = source.kind == .code ? "a folder of code" : "a git checkout"
      if targetTakes.contains(.imageSource) && !targetTakes.contains(direct) {
        return [
          Need(.capability(.imageSource, target: target), why: "the job is \(what), to be built into an image"),
          Need(
            .builder(source: source.kind, target: target, name: builder),
            why: "the job is \(what), to be built into an image\(named)"),
        ]
      }
      var needs = [Need(.capability(direct, target: target), why: "the job is \(what)")]
      if source.needsEnvironment {
        needs.append(
          Need(
            .builder(source: source.kind, target: target, name: builder),
            why: "the job declares dependencies (\(source.requirements ?? "Python \(source.python ?? "")"))\(named)"))
      }
      return needs
    }
  }
}

extension Source {
  /// Whether a builder must make an environment before the program can start.
  public var needsEnvironment: Bool { requirements != nil || python != nil }
}
