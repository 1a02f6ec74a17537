extension DiagnosticCode {
  /// Codes of the server's answers to requests: what a request says beside what files say.
  static let requests: [DiagnosticCode] = [
    DiagnosticCode(
      "A0001", "an agent polls a queue that is not there",
      """
      An agent names the queues that it polls, as `name` or `entity/name`; without an entity its own counts. A queue is
      there when its file has passed `check`, or it was made through the API.
      """),
    DiagnosticCode(
      "J0001", "a code job without a manifest",
      """
      The source of a code job is a snapshot: a manifest that names each file of the folder by the hash of its content.
      `lunaport job create code` uploads both; a request of your own has to name the manifest's hash.
      """),
    DiagnosticCode(
      "J0002", "a file of the snapshot was not uploaded",
      """
      A job version may name only what the server has. Upload the blob (PUT /api/v1/blobs/SHA256), and make the job again.
      """),
    DiagnosticCode(
      "J0003", "the requirements are not in the snapshot",
      """
      The source says which of its files lists the dependencies; the manifest has no file of that path.
      """),
    DiagnosticCode(
      "J0004", "a manifest that cannot be used",
      """
      The blob is no manifest, or is larger than a manifest may be.
      """),
    DiagnosticCode(
      "J0005", "a manifest with a file that no agent would unpack",
      """
      Paths are relative, without `..`, each given once; links lead to inside the folder; sizes are those of the blobs.
      """),
    DiagnosticCode(
      "J0006", "a source that cannot be used",
      """
      What the source of a job says of its image, its repository or its entry point does not fit together.
      """),
    DiagnosticCode(
      "J0008", "the inputs of a job are too large",
      """
      Inputs are kept with each version of a job and sent with each run; large data belongs into files.
      """),
    DiagnosticCode(
      "R0001", "a request that does not fit its schema",
      """
      The API's document (GET /api/v1/openapi.json) says what each request takes; this one has a member that is missing,
      not known, of another kind, or out of range. The message names the member.
      """),
    DiagnosticCode(
      "S0010", "no such queue",
      """
      The queue has no file that passes `check`, was not made through the API, or belongs to an entity that you do not.
      """),
    DiagnosticCode(
      "S0011", "several queues have this name",
      """
      Queues of different entities may have one name. Say whose is meant: -e ENTITY, or `entity/name`.
      """),
    DiagnosticCode(
      "S0012", "not the name of a job",
      """
      A job is named `name`, `name:alias`, `project/name` or `entity/project/name:v2`.
      """),
    DiagnosticCode(
      "S0013", "no such job",
      """
      The job, or the version or alias of it that was named, is not there.
      """),
    DiagnosticCode(
      "S0014", "a run refers to a secret that only a queue may name",
      """
      Secrets belong to the agent's operator and are given to runs by queues. A run that could name any of them by its
      resource arguments could read them all.
      """),
    DiagnosticCode(
      "S0015", "a document of a submission is too large",
      """
      A run's config, its resource arguments and its variables are kept with it and sent to its agent.
      """),
    DiagnosticCode(
      "S0016", "no such input of the job",
      """
      The job was created with a config file, which says which inputs it has. Leave the value out, or create a version of
      the job whose config has it.
      """),
    DiagnosticCode(
      "S0017", "a value that does not fit the job's input",
      """
      The types of inputs come from the config file that the job was created with.
      """),
    DiagnosticCode(
      "S0018", "an input of the job is missing",
      """
      The job's schema requires it, and nothing gives it a value.
      """),
  ]
}
