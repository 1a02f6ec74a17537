import Arguments
import Client
import Model

extension Lunaport {
  var queueCommand: Command {
    Command(
      "queue", "Look at queues, make them, open and shut them.",
      subcommands: [
        queueList, queueShow, queueCreate,
        gateCommand("pause", "Start no more runs of a queue; it goes on taking them.", .paused),
        gateCommand("resume", "Open a queue that is paused or draining.", .open),
        gateCommand("drain", "Take no more runs into a queue; those it has are started.", .draining),
        queueExport,
      ])
  }

  private var queueList: Command {
    Command("list", "List queues.") { declare in
      let server = ServerOptions(&declare, environment)
      let entity = declare.entity()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let queues = try await client.everything { cursor throws(APIError) in
          try await client.queues(entity: values[entity], cursor: cursor)
        }
        if values[json] {
          try console.print(json: queues)
        } else {
          try console.print(QueueText.table(queues), ifEmpty: "no queues")
        }
        return .ok
      }
    }
  }

  private var queueShow: Command {
    Command("show", "Show a queue: what it runs on, its runs by state, its variables.") { declare in
      let server = ServerOptions(&declare, environment)
      let name = declare.queue()
      let entity = declare.entity()
      let json = declare.json()
      return { values, console in
        let queue = try await server.client(values).queue(named: values[name], entity: values[entity])
        if values[json] {
          try console.print(json: queue)
        } else {
          try console.print(QueueText.page(queue, on: console.output))
        }
        return .ok
      }
    }
  }

  private var queueCreate: Command {
    Command(
      "create", "Make a queue on the server, without a file.",
      discussion: """
        The settings are the words of a queue's file, as JSON: resource, priorities, concurrency, retry, timeout and so \
        on. 'lunaport queue export' gives the queue as a file.

          lunaport queue create night --target process --settings night.json
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let name = declare.argument("name", .string, help: "The queue's name.")
      let entity = declare.entity()
      let target = declare.option("target", short: "t", .string, help: "Where its jobs run, such as process.")
      let concurrency = declare.option("concurrency", .integer(1...1_000_000), help: "Runs at a time, at most.")
      let priorities = declare.flag("priorities", help: "Let runs have priorities.")
      let settings = declare.option(
        "settings", short: "c", .file, placeholder: "file", help: "A JSON file with all other settings.")
      let json = declare.json()
      return { values, console in
        var fields: [String: Value] = [:]
        if let file = values[settings] {
          guard case .object(let given) = try Document.read(file) else {
            throw LocalFailure("\(file) must hold a table of settings")
          }
          fields = given
        }
        fields["name"] = .string(values[name])
        if let entity = values[entity] { fields["entity"] = .string(entity) }
        if let target = values[target] { fields["target"] = .string(target) }
        if let concurrency = values[concurrency] { fields["concurrency"] = .int(Int64(concurrency)) }
        if values[priorities] { fields["priorities"] = true }
        guard fields["target"] != nil else { throw UsageError("Missing expected option '--target <target>'.") }
        let queue = try await server.client(values).createQueue(.object(fields))
        if values[json] {
          try console.print(json: queue)
        } else {
          try console.print(printable("\(queue.entity)/\(queue.name) created on \(queue.target)"))
        }
        return .ok
      }
    }
  }

  private func gateCommand(_ word: String, _ abstract: String, _ gate: QueueGate) -> Command {
    Command(word, abstract) { declare in
      let server = ServerOptions(&declare, environment)
      let name = declare.queue()
      let entity = declare.entity()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let found = try await client.queue(named: values[name], entity: values[entity])
        let queue = try await client.setGate(gate, entity: found.entity, name: found.name)
        if values[json] {
          try console.print(json: queue)
        } else {
          try console.print(printable("\(queue.entity)/\(queue.name) is \(queue.gate.text)"))
        }
        return .ok
      }
    }
  }

  private var queueExport: Command {
    Command("export", "Print a queue as a Lua file.") { declare in
      let server = ServerOptions(&declare, environment)
      let name = declare.queue()
      let entity = declare.entity()
      return { values, console in
        let client = try server.client(values)
        let queue = try await client.queue(named: values[name], entity: values[entity])
        try console.write(Array(try await client.exportQueue(entity: queue.entity, name: queue.name).utf8))
        return .ok
      }
    }
  }
}

extension Declaration {
  mutating func queue() -> Key<String> {
    argument("queue", .name(from: "queues"), help: "The queue: NAME or ENTITY/NAME.")
  }
}
