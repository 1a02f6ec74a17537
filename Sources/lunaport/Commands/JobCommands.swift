import Arguments
import Client
import Model

extension Lunaport {
  var jobCommand: Command {
    Command(
      "job", "Make jobs and look at them.",
      subcommands: [jobCreateCommand, jobList, jobDescribe, jobDiffCommand, jobAlias])
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

  private var jobAlias: Command {
    Command(
      "alias", "Give a version of a job another name, or take one away.",
      discussion: """
        An alias names one version at a time: given to another it moves there. What runs already keeps its version.

          lunaport job alias train:v3 best
          lunaport launch -j train:best -q gpu
          lunaport job alias train best --remove
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let job = declare.argument("job", .jobReference, help: "JOB:VERSION; the newest where no version is said.")
      let alias = declare.argument("alias", .string, help: "A word; not latest, nor like a version.")
      let remove = declare.flag("remove", help: "Take the alias away.")
      let entity = declare.entity()
      let project = declare.project()
      let json = declare.json()
      return { values, console in
        let client = try server.client(values)
        var version = try await client.job(values[job], entity: values[entity], project: values[project])
        if values[remove] {
          try await client.removeAlias(values[alias], of: version)
          version = try await client.job(
            entity: version.entity, project: version.project, name: version.name, alias: "v\(version.version)")
        } else {
          version = try await client.setAlias(values[alias], of: version)
        }
        if values[json] {
          try console.print(json: version)
        } else {
          let aliases = version.aliases.isEmpty ? "no alias" : version.aliases.joined(separator: ", ")
          try console.print(printable("\(version.reference): \(aliases)"))
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
