import Client
import Model

/// Finds what people name in short.
extension APIClient {
  /// Pages of a list that are read in search of a name.
  private static let pagesMax = 100

  /// The queue of a name, `NAME` or `ENTITY/NAME`.
  func queue(named text: String, entity: String?) async throws -> QueueView {
    if let slash = text.firstIndex(of: "/") {
      return try await queue(entity: String(text[..<slash]), name: String(text[text.index(after: slash)...]))
    }
    if let entity { return try await queue(entity: entity, name: text) }
    let all = try await everything { cursor throws(APIError) in try await queues(entity: nil, cursor: cursor) }
    let found = all.filter { $0.name == text }
    switch found.count {
    case 1: return found[0]
    case 0:
      throw LocalFailure(
        "there is no queue \(text)",
        hint: closest(to: text, among: all.map(\.name)).map { "did you mean \($0)?" }
          ?? (all.isEmpty ? nil : "queues: \(all.map(\.name).sorted().joined(separator: ", "))"))
    default:
      let own = try await viewer().defaultEntity
      if let queue = found.first(where: { $0.entity == own }) { return queue }
      throw LocalFailure(
        "\(found.count) entities have a queue \(text)",
        hint: "say which: \(found.map { "\($0.entity)/\($0.name)" }.joined(separator: ", "))")
    }
  }

  /// The job version of a reference, which may leave out its entity and its project.
  func job(_ reference: JobReference, entity: String?, project: String?) async throws -> JobVersion {
    var entity = reference.entity ?? entity
    if entity == nil { entity = try await viewer().defaultEntity }
    let owner = entity ?? ""
    if let project = reference.project ?? project {
      return try await job(entity: owner, project: project, name: reference.name, alias: reference.alias)
    }
    let all = try await everything { cursor throws(APIError) in
      try await jobs(entity: owner, project: nil, limit: 1_000, cursor: cursor)
    }
    let found = all.filter { $0.name == reference.name }
    guard let first = found.first else {
      throw LocalFailure(
        "\(owner) has no job \(reference.name)",
        hint: closest(to: reference.name, among: all.map(\.name)).map { "did you mean \($0)?" }
          ?? "list them: lunaport job list")
    }
    guard found.count == 1 else {
      throw LocalFailure(
        "\(found.count) projects of \(owner) have a job \(reference.name)",
        hint: "say which: \(found.map { "\($0.project)/\($0.name)" }.joined(separator: ", "))")
    }
    return try await job(entity: owner, project: first.project, name: first.name, alias: reference.alias)
  }

  /// The agent of a name or an id.
  func agent(named text: String) async throws -> AgentView {
    let all = try await agents().items
    if let agent = all.first(where: { $0.id == text }) { return agent }
    let found = all.filter { $0.name == text }
    guard let first = found.first else {
      throw LocalFailure(
        "there is no agent \(text)",
        hint: closest(to: text, among: all.map(\.name)).map { "did you mean \($0)?" } ?? "list them: lunaport agents")
    }
    guard found.count == 1 else {
      throw LocalFailure(
        "\(found.count) agents are named \(text)",
        hint: "say which by its id: \(found.map(\.id).joined(separator: ", "))")
    }
    return first
  }

  /// All items of a list, page by page.
  func everything<Item>(
    _ page: (String?) async throws(APIError) -> PageView<Item>
  ) async throws(APIError) -> [Item] {
    var items: [Item] = []
    var cursor: String?
    for _ in 0..<Self.pagesMax {
      let next = try await page(cursor)
      items += next.items
      cursor = next.next
      if cursor == nil { break }
    }
    return items
  }
}
