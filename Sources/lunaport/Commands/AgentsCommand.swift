import Arguments
import Client
import Model

extension Lunaport {
  var agentsCommand: Command {
    Command(
      "agents", "List agents, or let one finish and leave.",
      discussion: """
        An agent polls its queues and has none of their jobs (polling), has some (busy), finishes what it has and takes \
        no more (draining), was not heard from (stale), or does not cover its queues (refused).

          lunaport agents --drain box-1
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let drain = declare.option(
        "drain", .name(from: "agents"), placeholder: "agent",
        help: "Let this agent finish what it has and take no more.")
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        if let name = values[drain] {
          let agent = try await client.drainAgent(try await client.agent(named: name).id)
          if values[json] {
            try console.print(json: agent)
          } else {
            try console.print(printable("\(agent.name) is \(agent.state.rawValue), with \(agent.jobs) jobs left"))
          }
          return .ok
        }
        let agents = try await client.agents().items
        if values[json] {
          try console.print(json: agents)
          return .ok
        }
        try console.print(AgentText.table(agents, now: now()), ifEmpty: "no agents; start one: lunaport agent -q QUEUE")
        // Of one that is gone it matters no more.
        for agent in agents where agent.state != .stale {
          for gap in agent.gaps { console.report(printable("\(agent.name): \(gap)")) }
        }
        return .ok
      }
    }
  }
}
