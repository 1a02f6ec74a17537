import Arguments
import Client
import Model

extension Lunaport {
  var jobCommand: Command {
    Command(
      "job", "Make jobs and look at them.",
      subcommands: [jobCreateCommand, jobList, jobDescribe, jobDiffCommand])
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
