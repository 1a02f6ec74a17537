import Arguments
import Client
import Model
import Snapshot

extension Lunaport {
  var jobCommand: Command {
    Command(
      "job", "Make jobs and look at them.",
      subcommands: [
        Command("create", "Make a job, or a new version of it.", subcommands: [jobCreateCode]), jobList, jobDescribe,
      ])
  }

  private var jobCreateCode: Command {
    Command(
      "code", "Make a job from a folder of code.",
      discussion: """
        PATH is a script, whose folder is taken, or a folder with --entry-point. What .gitignore and .lunaportignore \
        name is left out. A new version comes to be only where something has changed.

        requirements.txt in the folder is installed where the job runs. The Python version is that of --runtime, of \
        runtime.txt or of .python-version.

          lunaport job create code train.py --project demo
          lunaport job create code . --entry-point "python3 -m demo.train --fast" --project demo
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let path = declare.argument("path", .file, help: "A script, or a folder.")
      let entryPoint = declare.option("entry-point", .string, help: "What to run, where PATH is a folder.")
      let project = declare.requiredOption("project", short: "p", .string, help: "The project.")
      let entity = declare.entity()
      let name = declare.option(
        "name", short: "n", .string, environment: "WANDB_JOB_NAME",
        help: "The job's name; job-SCRIPT or job-FOLDER if nothing is said.")
      let runtime = declare.option(
        "runtime", short: "r", .string, placeholder: "version", help: "The Python version, such as 3.11.")
      let aliases = declare.options(
        "alias", short: "a", .string, help: "Another name of this version; may be given again.")
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let plan = try CodePath(values[path], entryPoint: values[entryPoint])
        let folder = try FolderReader.read(plan.folder)
        for special in folder.special { console.report("left out: \(printable(special)), which is no file") }
        // Before anything is read whole: a wrong entry point should not cost a minute of hashing.
        _ = try folder.source(plan.words, runtime: values[runtime], manifest: nil)
        let total = folder.bytes
        defer { console.show(nil) }
        let snapshot = try Snapshot(folder) { done in
          console.show(Progress("reading \(plan.folder)", done: Int(done >> 10), of: Int(total >> 10)))
        }
        let source = try folder.source(plan.words, runtime: values[runtime], manifest: snapshot.digest)
        let sent = try await SnapshotUpload(client: client, console: console).send(snapshot)
        let answer = try await client.createJob(
          JobRequest(
            entity: values[entity], project: values[project], name: values[name] ?? plan.jobName, source: source,
            aliases: values[aliases].isEmpty ? nil : values[aliases]))
        if values[json] {
          guard case .object(var fields) = try answer.job.document() else { return .couldNotRun }
          fields["created"] = .bool(answer.created)
          try console.print(Value.object(fields).json(pretty: true))
          return .ok
        }
        let version = "v\(answer.job.version)"
        if answer.created {
          console.report(
            "took \(counted(folder.entries.count, "file")) of \(plan.folder), \(Quantity.text(bytes: total)); "
              + "sent \(sent.count), \(Quantity.text(bytes: sent.bytes))")
        }
        try console.print(printable("\(answer.job.reference)"))
        try console.print(answer.created ? "\(version) created" : "nothing changed: \(version)")
        return .ok
      }
    }
  }

  private var jobList: Command {
    Command("list", "List jobs.") { declare in
      let server = ServerOptions(&declare, environment)
      let entity = declare.entity()
      let project = declare.project()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let jobs = try await client.everything { cursor throws(APIError) in
          try await client.jobs(entity: values[entity], project: values[project], limit: 1_000, cursor: cursor)
        }
        if values[json] {
          try console.print(Value.array(jobs.map { try $0.document() }).json(pretty: true))
        } else {
          try console.print(JobText.table(jobs, now: now()), ifEmpty: "no jobs")
        }
        return .ok
      }
    }
  }

  private var jobDescribe: Command {
    Command("describe", "Show a job and its versions.") { declare in
      let server = ServerOptions(&declare, environment)
      let job = declare.argument("job", .jobReference, help: "NAME, NAME:VERSION or PROJECT/NAME.")
      let entity = declare.entity()
      let project = declare.project()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        let version = try await client.job(values[job], entity: values[entity], project: values[project])
        let versions = try await client.everything { cursor throws(APIError) in
          try await client.versions(
            entity: version.entity, project: version.project, name: version.name, cursor: cursor)
        }
        if values[json] {
          guard case .object(var fields) = try version.document() else { return .couldNotRun }
          fields["versions"] = .array(try versions.map { try $0.document() })
          try console.print(Value.object(fields).json(pretty: true))
        } else {
          try console.print(JobText.page(version, versions: versions, now: now(), on: console.output))
        }
        return .ok
      }
    }
  }
}

extension Kind where Value == JobReference {
  /// `NAME`, `NAME:ALIAS`, `PROJECT/NAME` or `ENTITY/PROJECT/NAME`.
  static var jobReference: Kind {
    Kind(
      completion: .list("jobs"), render: { $0.text },
      parse: { text throws(InvalidValue) in
        guard let reference = JobReference(text) else {
          throw InvalidValue("must be a job, such as train, train:v3 or demo/train:latest")
        }
        return reference
      })
  }
}

extension JobReference {
  var text: String { [entity, project, name].compactMap { $0 }.joined(separator: "/") + ":" + alias }
}
