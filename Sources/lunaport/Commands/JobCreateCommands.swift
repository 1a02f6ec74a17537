import Arguments
import Client
import Model
import Snapshot

extension Lunaport {
  var jobCreateCommand: Command {
    Command("create", "Make a job, or a new version of it.", subcommands: [createCode, createGit, createImage])
  }

  private var createCode: Command {
    Command(
      "code", "Make a job from a folder of code.",
      discussion: """
        PATH is a script, whose folder is taken, or a folder with --entry-point. What .gitignore and .lunaportignore \
        name is left out. A new version comes to be only where something has changed.

        requirements.txt in the folder, or else the dependencies in pyproject.toml, are installed where the job runs. The \
        Python version is that of --runtime, of runtime.txt or of .python-version.

          lunaport job create code train.py --project demo
          lunaport job create code . --entry-point "python3 -m demo.train --fast" --project demo
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let path = declare.argument("path", .file, help: "A script, or a folder.")
      let entryPoint = declare.option("entry-point", .string, help: "What to run, where PATH is a folder.")
      let runtime = declare.runtime()
      let job = JobOptions(&declare, named: "job-SCRIPT or job-FOLDER")
      return { values, console in
        let maker = JobMaker(client: try server.client(values), console: console, environment: environment)
        return try await job.create(values, with: maker) {
          try await maker.code(values[path], entryPoint: values[entryPoint], runtime: values[runtime])
        }
      }
    }
  }

  private var createGit: Command {
    Command(
      "git", "Make a job from a commit of a git repository.",
      discussion: """
        The commit is what runs, whatever becomes of the branch: making the job again makes a new version only where the \
        branch has moved on. Here the repository is looked into with your own git and its logins; an agent fetches the \
        commit with a secret of its own, which is named after the host that it may be sent to (git-github.com, or \
        git-github.com_ and more): a token or password for https, a private key for ssh. Hosts of ssh must be known on the \
        agent's machine (known_hosts in its data folder), and authorities of https trusted (git-ca.pem there for those of \
        your own). Submodules are fetched; the content of Git LFS is not.

          lunaport job create git https://github.com/team/app.git --entry-point train.py --project demo
          lunaport job create git git@github.com:team/app.git -g v1.2 --folder services/train \\
            --entry-point "python3 train.py --fast" --secret git-github.com --project demo
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let url = declare.argument(
        "repository", .repository, help: "https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.")
      let entryPoint = declare.requiredOption(
        "entry-point", .string, help: "What to run: a script of the repository, or a command.")
      let ref = declare.option(
        "git-ref", short: "g", .string, placeholder: "commit",
        help: "A commit by its whole hash, a branch or a tag; the main branch if nothing is said.")
      let folder = declare.option(
        "folder", .string, placeholder: "path", help: "The part of the repository that is the job's folder.")
      let secret = declare.option(
        "secret", .string, placeholder: "name", help: "The agent's secret that opens the repository.")
      let user = declare.option(
        "user", .string, help: "Whose password the secret is; not needed for a token.")
      let runtime = declare.runtime()
      let job = JobOptions(&declare, named: "job-URL-SCRIPT")
      return { values, console in
        let maker = JobMaker(client: try server.client(values), console: console, environment: environment)
        return try await job.create(values, with: maker) {
          try await maker.git(
            JobMaker.GitRequest(
              remote: values[url], entryPoint: values[entryPoint], ref: values[ref], folder: values[folder],
              secret: values[secret], user: values[user], runtime: values[runtime]))
        }
      }
    }
  }

  private var createImage: Command {
    Command(
      "image", "Make a job from a container image.",
      discussion: """
        IMAGE is read as Docker reads it: alpine is docker.io/library/alpine:latest. The tag becomes an alias of the \
        version. Where the registry tells which image the tag means now, the version means that image for ever; making \
        the job again makes a new version only where the tag has moved on.

          lunaport job create image alpine:3.20 --project demo --entry-point "echo hello"
          lunaport job create image registry.example:5000/team/train:1.4 --project demo
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let image = declare.argument("image", .image, help: "NAME:TAG, NAME@DIGEST, or either with a registry before it.")
      let entryPoint = declare.option("entry-point", .string, help: "What to run; the image's own if nothing is said.")
      let job = JobOptions(&declare, named: "job-IMAGE")
      return { values, console in
        let maker = JobMaker(client: try server.client(values), console: console, environment: environment)
        return try await job.create(values, with: maker) {
          try await maker.image(values[image], entryPoint: values[entryPoint])
        }
      }
    }
  }
}

/// What every `job create` takes.
private struct JobOptions: Sendable {
  private let project: Key<String>
  private let entity: Key<String?>
  private let name: Key<String?>
  private let aliases: Key<[String]>
  private let config: Key<String?>
  private let json: Key<Bool>

  init(_ declare: inout Declaration, named form: String) {
    project = declare.requiredOption("project", short: "p", .string, help: "The project.")
    entity = declare.entity()
    name = declare.option(
      "name", short: "n", .string, environment: "WANDB_JOB_NAME", help: "The job's name; \(form) if nothing is said.")
    aliases = declare.options(
      "alias", short: "a", .string, help: "Another name of this version; may be given again.")
    config = declare.option(
      "config", short: "c", .file, placeholder: "file",
      help:
        "A JSON file with the job's config: its names, types and defaults become the job's inputs, until another does.")
    json = declare.json()
  }

  func create(
    _ values: Values, with maker: JobMaker, _ make: () async throws -> JobDraft
  ) async throws -> ExitCode {
    let inputs = try values[config].map(Self.inputs)
    let draft = try await make()
    let aliases = draft.aliases + values[aliases].filter { !draft.aliases.contains($0) }
    let answer = try await maker.create(
      draft,
      as: JobRequest(
        entity: values[entity], project: values[project], name: values[name] ?? draft.name, source: draft.source,
        inputs: inputs, aliases: aliases.isEmpty ? nil : aliases))
    if values[json] {
      guard case .object(var fields) = try answer.job.document() else { return .couldNotRun }
      fields["created"] = .bool(answer.created)
      try maker.console.print(Value.object(fields).json(pretty: true))
      return .ok
    }
    let version = "v\(answer.job.version)"
    try maker.console.print(printable("\(answer.job.reference)"))
    try maker.console.print(answer.created ? "\(version) created" : "nothing changed: \(version)")
    return .ok
  }

  private static func inputs(_ path: String) throws -> Inputs {
    guard case .object(let config) = try Document.read(path) else {
      throw LocalFailure("\(path) must hold a table", hint: #"such as {"lr": 0.1, "epochs": 3}"#)
    }
    return Inputs(inferredFrom: config)
  }
}

extension Declaration {
  fileprivate mutating func runtime() -> Key<String?> {
    option("runtime", short: "r", .string, placeholder: "version", help: "The Python version, such as 3.11.")
  }
}

extension Kind where Value == GitRemote {
  /// The address of a repository.
  static var repository: Kind {
    Kind(
      render: { $0.url },
      parse: { text throws(InvalidValue) in
        do throws(SourceProblem) {
          return try GitRemote(text)
        } catch { throw InvalidValue(error.hint.map { "\(error.message) (\($0))" } ?? error.message) }
      })
  }
}

extension Kind where Value == ImageReference {
  /// An image as Docker names it.
  static var image: Kind {
    Kind(
      render: { $0.short },
      parse: { text throws(InvalidValue) in
        do throws(SourceProblem) {
          return try ImageReference(text)
        } catch { throw InvalidValue(error.hint.map { "\(error.message) (\($0))" } ?? error.message) }
      })
  }
}
