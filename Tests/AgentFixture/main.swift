import Agent
import AgentTesting
import Glibc
import Processes

// An agent in a process of its own, for tests that kill it: agent-fixture DATA SERVER-FOLDER
let arguments = CommandLine.arguments
guard arguments.count == 3 else { exit(64) }
do {
  let processes = try Processes(root: "\(arguments[1])/processes", cgroups: .none)
  let settings = AgentSettings(
    name: "fixture", queues: ["q"], maxJobs: 1_000, data: arguments[1], drivers: [HeldDriver(processes)], builders: [],
    local: processes)
  let agent = RunningAgent(settings, FolderServer(arguments[2])) { event in
    let line = Array((event.text + "\n").utf8)
    write(STDERR_FILENO, line, line.count)
  }
  let exitCode: Int32
  switch await agent.run() {
  case .busy: exitCode = 75
  case .drained, .stopped: exitCode = 0
  default: exitCode = 1
  }
  exit(exitCode)
} catch {
  print("\(error)")
  exit(1)
}
