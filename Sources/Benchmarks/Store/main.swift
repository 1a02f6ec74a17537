import FoundationEssentials
import Model
import Storage

// How fast the store is, in one run on one machine: `benchmark-store [HISTORY]`, with HISTORY runs (a million unless
// said otherwise) for the comparison with a thousand. Data is kept in a folder under the current one, on its disk.

let history = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000_000
let folder = FileManager.default.currentDirectoryPath + "/benchmark-store.data"
defer { try? FileManager.default.removeItem(atPath: folder) }
try? FileManager.default.removeItem(atPath: folder)

let small = try await Bench(folder: folder + "/small")
try await small.alone(2_000)
try await small.together(40_000, callers: 256)
try await small.bulk(20_000, each: 1_000)
await small.close()

print("\nlease and complete, one run a call, 64 agents at once, by runs of history:")
let little = try await Bench(folder: folder + "/little")
try await little.grow(to: 1_000)
let large = try await Bench(folder: folder + "/large")
try await large.grow(to: history)
let cycle = 10_000
var costs: [[Cost]] = [[], []]
// In turns, so that a machine that slows down slows both.
for _ in 0..<3 {
  costs[0].append(try await little.cycle(cycle))
  costs[1].append(try await large.cycle(cycle))
}
let middle = costs.map { $0.sorted { $0.seconds < $1.seconds }[1] }
report("with 1000 runs of history", cycle, middle[0])
report("with \(history) runs of history", cycle, middle[1])
print(
  "  ratio \(format(middle[1].seconds / middle[0].seconds)), of CPU \(format(middle[1].cpu / middle[0].cpu))"
    + " (budget: 1.20 or less)")
let metrics = try await large.store.metrics()
print("  \(metrics.bytes >> 20) MiB for \(metrics.runs.values.reduce(0, +)) runs")
await little.close()
await large.close()
