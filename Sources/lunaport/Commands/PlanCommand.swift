import Arguments
import Client
import Model
import Scripting
import Snapshot

extension Lunaport {
  var planCommand: Command {
    Command(
      "plan", "Show what a job on a queue would run with, and who wrote each value.",
      discussion: """
        QUEUE is that of the files here. JOB is a script or an executable here, or a job of the server. What an agent may \
        do on its target stands in its settings: give them with --settings, as to the agent.

          lunaport plan local train.py -v memory=2Gi
        """
    ) { declare in
      let options = ConfigurationOptions(&declare)
      let server = ServerOptions(&declare, environment)
      let queue = declare.argument("queue", .name(from: "queues"), help: "The queue: NAME or ENTITY/NAME.")
      let job = declare.argument("job", .string.completed(by: .files), help: "A script, or a job.")
      let file = declare.option("config", short: "c", .file, placeholder: "file", help: "A JSON file, as of launch.")
      let variables = declare.options(
        "variable", short: "v", .keyValue, placeholder: "name=value",
        help: "A variable of the queue; may be given again.")
      let settings = AgentOptions.settings(&declare)
      let json = declare.json()
      return { values, console in
        let configuration = try options.load(values)
        let queue = try configuration.queue(named: values[queue])
        var submission = try LaunchFile(values[file]).submission
        for pair in values[variables] {
          let value = VariableText.value(pair.value, for: queue.variables[pair.key].map(VariableView.init))
          submission.variables = (submission.variables ?? [:]).merging([pair.key: value]) { $1 }
        }
        let source = try await source(of: values[job]) { try server.client(values) }
        let (resource, found) = submission.resource(in: queue, schema: configuration.drivers[queue.target]?.resource)
        let problems = found + [queue.refusal(of: source)].compactMap(\.self)
        guard problems.isEmpty else {
          let text = DiagnosticText(isColoured: console.errors.colour) { configuration.lines(of: $0) }
          console.report(withoutLastNewline(problems.map(text.render).joined(separator: "\n")))
          return .findings
        }
        let document = try await document(
          of: source, submission, resource.value, queue, configuration, plugins: values[options.plugins],
          settings: try AgentOptions.pluginSettings(values[settings]))
        let plan = PlanText(queue: queue, resource: resource, document: document)
        try console.print(
          values[json] ? plan.json.json(pretty: true) : withoutLastNewline(plan.render()))
        return .ok
      }
    }
  }

  /// The target's own document, as the driver makes it of a run that has not been given its id, folder and environment.
  private func document(
    of source: Source, _ submission: Submission, _ resource: Value, _ queue: Queue, _ configuration: Configuration,
    plugins: String, settings: [String: Value]
  ) async throws -> Value? {
    let bench = try PluginBench(plugins: plugins, settings: settings, startsNothing: true, now: now)
    guard let driver = try await bench.driver(of: queue.target, in: configuration) else { return nil }
    let overrides = submission.overrides ?? Overrides()
    // Other targets get an image of it, which a builder makes.
    let isFolder = source.kind != .image && !driver.provides.isDisjoint(with: [.codeSource, .gitSource])
    let request = PlanRequest(
      run: "RUN_ID", name: "RUN_NAME", attempt: 1, entity: queue.entity, project: submission.project ?? "PROJECT",
      queue: queue.name, author: "AUTHOR", job: nil,
      entryPoint: overrides.entryPoint ?? source.entryPoint, args: overrides.args ?? [], environment: [:],
      folder: isFolder ? "JOB_FOLDER" : nil, prefix: isFolder && source.needsEnvironment ? "ENVIRONMENT" : nil,
      image: isFolder ? nil : source.image?.pinned ?? "IMAGE", resource: resource, timeout: queue.timeout,
      grace: queue.grace)
    do {
      return try await driver.plan(request)
    } catch {
      throw LocalFailure(
        "the driver of \(queue.target) cannot plan this: \(error.message)", notes: error.detail.map { [$0] } ?? [],
        hint: error.hint)
    }
  }

  /// What the job is made from: a file here, or else a job of the server.
  private func source(of text: String, _ client: () throws -> APIClient) async throws -> Source {
    // A folder is not yet a job, and often has the name of one.
    if LocalFile.exists(text), !LocalFile.isFolder(text) {
      let path = try CodePath(text, entryPoint: nil)
      return try FolderReader.read(path.folder).source(path.words, runtime: nil, manifest: nil)
    }
    guard let reference = JobReference(text) else {
      throw LocalFailure("\(text) is neither a file here nor the name of a job")
    }
    let server: APIClient
    do {
      server = try client()
    } catch let failure as LocalFailure {
      throw LocalFailure("there is no file \(text) here, and \(failure.message)", hint: failure.hint)
    }
    return try await server.job(reference, entity: nil, project: nil).source
  }
}

extension Configuration {
  /// The queue of a name, `NAME` or `ENTITY/NAME`.
  func queue(named text: String) throws(LocalFailure) -> Queue {
    let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
    let found = parts.count == 2 ? queue(parts[1], entity: parts[0]) : queue(text)
    if let found { return found }
    let known = queues.keys.map(\.name).sorted()
    throw LocalFailure(
      "the files declare no queue \(text)",
      hint: closest(to: text, among: known).map { "did you mean \($0)?" }
        ?? (known.isEmpty ? nil : "queues: \(known.joined(separator: ", "))"))
  }
}
