import Arguments
import Client
import Model
import Scripting

extension Lunaport {
  /// Names for shells to complete. A person waits for them with a finger on the Tab key, so they come soon or not.
  var lists: Program.Lists {
    [
      "queues": { await names { try await $0.queues(entity: nil).items.map(\.name) } },
      "jobs": { await names { try await $0.jobs(entity: nil, project: nil).items.map(\.name) } },
      "runs": { await names { try await $0.runs(RunQuery()).items.map(\.id) } },
      "plugins": {
        ConfigurationLoader(queues: nil, plugins: ConfigurationOptions.pluginsFolder).load().pluginRows.map(
          \.header.name)
      },
      "agents": { await names { try await $0.agents().items.map(\.name) } },
    ]
  }

  /// How long a shell is kept waiting.
  private static let patience = Duration.milliseconds(900)

  private func names(_ list: @escaping @Sendable (APIClient) async throws -> [String]) async -> [String] {
    let client = try? ServerOptions.client(
      url: environment["LUNAPORT_URL"], environment, connectTimeout: Self.patience)
    guard let client else { return [] }
    return await withTaskGroup(of: [String]?.self) { group in
      group.addTask { try? await list(client) }
      group.addTask {
        try? await Task.sleep(for: Self.patience)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first ?? []
    }
  }
}
