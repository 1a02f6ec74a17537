import Arguments
import Client
import Model

extension Lunaport {
  var launchCommand: Command {
    Command(
      "launch", "Put a job on a queue.",
      discussion: """
        The config file may hold overrides (args, run_config, entry_point), resource_args for each target, variables and \
        every option below; the command line wins over it. Arguments of the program follow --.

          lunaport launch -j train -q gpu -v gpus=2 --watch -- --epochs 3

        In place of a job, --uri names a folder or a repository, or --docker-image an image; the job is then made first, as \
        by 'lunaport job create', and named by --job if its own name will not do.

          lunaport launch --uri . --entry-point train.py -q gpu -p demo
          lunaport launch --docker-image alpine:3.20 --entry-point "echo hello" -q containers -p demo

        With --watch the run's log goes to standard output and its states to standard error. The exit code is then 0 if \
        the run finished, that of its program if it failed with 1 to 125, and 1 if it ended in another way. Ctrl-C leaves \
        the run running.
        """
    ) { declare in
      let server = ServerOptions(&declare, environment)
      let options = SubmissionOptions(&declare)
      let origin = LaunchOrigin(&declare)
      let name = declare.option(
        "name", short: "n", .string, help: "The run's name; two words and a number if nothing is said.")
      let watch = declare.flag("watch", short: "w", help: "Follow the run until it ends.")
      let json = declare.json()
      return { values, console in
        let makesJob = try origin.isGiven(values)
        var submission = try options.submission(values, needsJob: !makesJob)
        submission.name = values[name] ?? submission.name
        let client = try server.client(values)
        if makesJob {
          let maker = JobMaker(client: client, console: console, environment: environment)
          submission.job = try await origin.make(values, submission, with: maker)
        }
        try await options.fill(&submission, values, from: client)
        submission.submitKey = submission.submitKey ?? SubmitKey.new()
        let submitted = try await submit(submission, to: client)
        console.report(warnings: submitted.warnings)
        let run = submitted.run
        let line = printable("\(run.id) \(run.name) is \(run.stateText) in \(run.queue)")
        if values[watch] {
          console.report(line)
          return try await self.watch(LogReader(client: client, run: run.id), console: console, json: values[json])
        }
        if values[json] { try console.print(json: run) } else { try console.print(line) }
        return .ok
      }
    }
  }

  /// Submits through short faults: the submit key keeps a second try from making a second run.
  private func submit(_ submission: Submission, to client: APIClient) async throws -> Submitted {
    var retries = Retries()
    while true {
      do {
        return try await client.submit(submission)
      } catch {
        try await retries.wait(after: error)
      }
    }
  }
}

/// What `launch` makes a job of, where it is not given one.
private struct LaunchOrigin: Sendable {
  private let uri: Key<String?>
  private let image: Key<ImageReference?>
  private let entryPoint: Key<String?>
  private let ref: Key<String?>

  init(_ declare: inout Declaration) {
    uri = declare.option(
      "uri", .file, placeholder: "folder|url", help: "Makes the job of a script, a folder or a git repository.")
    image = declare.option("docker-image", .image, placeholder: "image", help: "Makes the job of an image.")
    entryPoint = declare.option("entry-point", .string, help: "What that job runs.")
    ref = declare.option(
      "git-ref", short: "g", .string, placeholder: "commit", help: "The repository's commit, branch or tag.")
  }

  func isGiven(_ values: Values) throws -> Bool {
    if values[uri] != nil, values[image] != nil { throw UsageError("--uri and --docker-image cannot both be given.") }
    let isGiven = values[uri] != nil || values[image] != nil
    if !isGiven, values[entryPoint] != nil || values[ref] != nil {
      throw UsageError("--entry-point and --git-ref are for a job that is made here: give --uri or --docker-image.")
    }
    if values[ref] != nil, Self.remote(values[uri]) == nil {
      throw UsageError("--git-ref is for a git repository: give its address as --uri.")
    }
    return isGiven
  }

  /// Makes the job, and gives its version's reference.
  func make(_ values: Values, _ submission: Submission, with maker: JobMaker) async throws -> String {
    guard let project = submission.project else {
      throw UsageError("Missing expected option '--project <project>': the job that is made belongs to one.")
    }
    let draft: JobDraft
    if let image = values[image] {
      draft = try await maker.image(image, entryPoint: values[entryPoint])
    } else if let remote = Self.remote(values[uri]) {
      guard let entryPoint = values[entryPoint] else {
        throw UsageError("Missing expected option '--entry-point <entry-point>': what to run of the repository.")
      }
      draft = try await maker.git(JobMaker.GitRequest(remote: remote, entryPoint: entryPoint, ref: values[ref]))
    } else {
      draft = try await maker.code(values[uri] ?? ".", entryPoint: values[entryPoint], runtime: nil)
    }
    // A job that is named is this one's name.
    let given = JobReference(submission.job)
    let answer = try await maker.create(
      draft,
      as: JobRequest(
        entity: given?.entity ?? submission.entity, project: given?.project ?? project,
        name: given?.name ?? maker.environment["WANDB_JOB_NAME"] ?? draft.name,
        source: draft.source, aliases: draft.aliases.isEmpty ? nil : draft.aliases))
    maker.console.report(printable("\(answer.job.reference)\(answer.created ? "" : ", as it was")"))
    return answer.job.reference
  }

  private static func remote(_ text: String?) -> GitRemote? {
    guard let text, !LocalFile.exists(text) else { return nil }
    return try? GitRemote(text)
  }
}
