import FoundationEssentials
import Scripting

// How long `check` takes for many queue files: median of several rounds, each from the files on disk.

let files = CommandLine.arguments.dropFirst().first.flatMap(Int.init) ?? 500
let rounds = 9
let root = FileManager.default.temporaryDirectory.appending(path: "benchmark-check-\(UUID().uuidString)")
let queues = root.appending(path: "queues.d")
try FileManager.default.createDirectory(at: queues, withIntermediateDirectories: true)
defer { try? FileManager.default.removeItem(at: root) }

for index in 0..<files {
  let text = """
    -- Queue \(index) of a large installation.
    local team = "team-\(index % 7)"

    queue "queue-\(index)" {
      entity = team,
      target = "process",
      doc = "runs of " .. team,
      priorities = true,
      concurrency = \(index % 32 + 1),
      retry = { max = 2, on = { "lost", "preempted" }, delay = "5s" },
      timeout = "12h",
      grace = "30s",
      resource = {
        memory = var("memory", size { min = "16Mi", max = "64Gi" }:default("4Gi")),
        cpu = var("cpu", number { min = 0.5, max = 32 }:default(2)),
        env = {
          TEAM = team,
          RUN = "${run_name}",
          PROJECT = "${project_name}",
          TOKEN = secret "hub-token",
          OMP_NUM_THREADS = "8",
        },
      },
      override = { "memory", "cpu" },
      links = { { label = "Grafana", url = "https://grafana.example/d/${queue_name}" } },
    }

    """
  try Data(text.utf8).write(to: queues.appending(path: "queue-\(index).lua"))
}

let loader = ConfigurationLoader(queues: queues.path, plugins: "plugins")
let clock = ContinuousClock()
var times: [Duration] = []
for _ in 0..<rounds {
  var configuration = Configuration()
  times.append(clock.measure { configuration = loader.load() })
  guard configuration.diagnostics.isEmpty, configuration.queues.count == files else {
    print(CheckReport(configuration).render(.human))
    break
  }
}
times.sort()
let median = times[times.count / 2]
let milliseconds = Double(median.components.attoseconds) / 1e15 + Double(median.components.seconds) * 1_000
print("check of \(files) queue files: \((milliseconds * 10).rounded() / 10) ms, median of \(rounds) rounds")
