import Arguments
import Synchronization

/// Keeps what a command wrote.
final class Transcript: Sendable {
  private let streams = Mutex<[Console.Stream: [UInt8]]>([:])

  var output: String { text(.output) }
  var errors: String { text(.errors) }

  func console(output: Terminal = .plain, errors: Terminal = .plain) -> Console {
    Console(output: output, errors: errors) { [self] stream, bytes in
      streams.withLock { $0[stream, default: []] += bytes }
    }
  }

  private func text(_ stream: Console.Stream) -> String {
    streams.withLock { String(decoding: $0[stream] ?? [], as: UTF8.self) }
  }
}

enum Format: String, CaseIterable {
  case human, json, github
}

struct LostServer: Error, CustomStringConvertible {
  let description = "the server does not answer"
}

struct BadFile: CommandFailure {
  let exitCode = ExitCode.configuration
  func report(on terminal: Terminal) -> String { terminal.paint("error[C0001]:", .red) + " bad file" }
}

/// Options that several commands share.
struct Connection {
  let url: Key<String>
  let key: Key<String?>

  init(_ declare: inout Declaration) {
    url = declare.option(
      "url", .string, default: "http://127.0.0.1:8080", environment: "LUNAPORT_URL", help: "Address of the server.")
    key = declare.option("api-key", .string, environment: "LUNAPORT_API_KEY", help: "Key to call it with.")
  }
}

/// A program with every kind of declaration. Its commands print the values that they were given.
let sample = Program(
  "lunaport", "Run jobs from queues.", discussion: "Queues are Lua files.", version: "1.2.3",
  lists: ["queues": { ["gpu", "gpu-large", "train:v1", "two words"] }],
  commands: [
    Command("check", "Check queue files.") { declare in
      let folder = declare.argument("folder", .directory, default: "queues.d", help: "Where the queue files are.")
      let format = declare.option("format", .choice(of: Format.self), default: .human, help: "How to print findings.")
      let colour = declare.toggle("colour", default: true, help: "Colour the findings.")
      return { values, console in
        try console.print("\(values[folder]) \(values[format]) \(values[colour])")
        return .findings
      }
    },
    Command("launch", "Put a job on a queue.") { declare in
      let connection = Connection(&declare)
      let job = declare.requiredOption("job", short: "j", .string, environment: "LUNAPORT_JOB", help: "The job.")
      let queues = declare.options(
        "queue", short: "q", .name(from: "queues"), required: true, help: "A queue; may be given again.")
      let variables = declare.options(
        "variable", short: "v", .keyValue, placeholder: "name=value", help: "A template variable.")
      let tries = declare.option(
        "max-jobs", .integer(1...64), default: 4, help: "How many jobs run at once, at most, on this machine.")
      let timeout = declare.option("timeout", .duration, default: .seconds(5400), help: "Time until it is stopped.")
      let memory = declare.option("memory", .size, help: "Memory it may use.")
      let config = declare.option("config", short: "c", .file, help: "A file with overrides.")
      let watch = declare.flag("watch", short: "w", help: "Print its log until it ends.")
      let json = declare.flag("json", help: "Print JSON.")
      let fault = declare.option("fault", .choice(["usage", "lost", "file"]), help: "Fail on purpose.", hidden: true)
      let rest = declare.arguments("argument", .string, help: "Arguments of the job, after '--'.")
      return { values, console in
        switch values[fault] {
        case "usage": throw UsageError("'--watch' and '--json' exclude each other.")
        case "lost": throw LostServer()
        case "file": throw BadFile()
        default: break
        }
        let pairs = values[variables].map { "\($0.key):\($0.value)" }
        try console.print(
          """
          url=\(values[connection.url]) key=\(values[connection.key] ?? "none") job=\(values[job])
          queues=\(values[queues]) variables=\(pairs) max-jobs=\(values[tries]) timeout=\(values[timeout])
          memory=\(values[memory].map(String.init) ?? "none") config=\(values[config] ?? "none")
          watch=\(values[watch]) json=\(values[json]) rest=\(values[rest])
          """)
        return .ok
      }
    },
    Command(
      "job", "Manage jobs.",
      subcommands: [
        Command(
          "create", "Create a job from something that can be run.",
          discussion: "What is there already is not copied again.",
          subcommands: [
            Command(
              "code", "Create a job from a folder.",
              discussion: """
                The folder is taken as it is, without what its .gitignore names; a new version comes to be only when \
                something has changed.

                  lunaport job create code train.py --project demo
                """
            ) { declare in
              let path = declare.argument("path", .file, help: "The entry point.")
              let name = declare.option("name", .string, help: "Name of the job.")
              let extra = declare.optionalArgument("runtime", .choice(["python3.11", "python3.12"]), help: "Python.")
              return { values, console in
                try console.print("\(values[path]) \(values[name] ?? "none") \(values[extra] ?? "none")")
                return .ok
              }
            }
          ]),
        Command("secret", "Works, and is not shown.", hidden: true) { declare in
          let count = declare.argument("count", .integer(.min ... .max), help: "A number.")
          return { values, console in
            try console.print("\(values[count])")
            return ExitCode(rawValue: 7)
          }
        },
      ]),
  ])
