extension DiagnosticCode {
  /// Codes of files, of what they declare, and of the keys of it.
  static let declarations: [DiagnosticCode] = [
    DiagnosticCode(
      "C0001", "the file is not valid Lua",
      """
      Lua could not read the file. The line is the one where Lua noticed; the cause is often a missing
      comma, quote or bracket just above it.
      """,
      wrong: """
        queue "gpu" {
          target = "process"
          concurrency = 4,
        }
        """,
      right: """
        queue "gpu" {
          target = "process",
          concurrency = 4,
        }
        """),
    DiagnosticCode(
      "C0002", "the file raised an error while it was read",
      """
      Declaration files are programs that only compute: no input or output, no clock, no randomness.
      Something in this one raised an error; the traceback says where.
      """,
      wrong: """
        local base = nil
        queue "gpu" { target = base.target }
        """,
      right: """
        local base = { target = "process" }
        queue "gpu" { target = base.target }
        """),
    DiagnosticCode(
      "C0003", "the file used up its budget",
      """
      Reading a file may take a bounded number of instructions, time and memory, so that one file cannot
      stop the host. A loop without an end is the usual cause.
      """),
    DiagnosticCode(
      "C0004", "the file cannot be read",
      """
      The file is missing, not readable by this user, larger than a declaration file may be, or not UTF-8
      text.
      """),
    DiagnosticCode(
      "C0005", "this declaration does not belong in this file",
      """
      `queue` and `resource` stand in the queues folder; `driver`, `builder`, `hook` and `resource` stand
      in a plugin's `plugin.lua`.
      """),
    DiagnosticCode(
      "C0006", "the file declares nothing",
      """
      A file of the queues folder should declare at least one queue or resource.
      """),
    DiagnosticCode(
      "C0007", "a declaration without its table",
      """
      A declaration is a word, a name and a table.
      """,
      wrong: """
        queue("gpu", 4)
        """,
      right: """
        queue "gpu" { target = "process" }
        """),
    DiagnosticCode(
      "C0010", "declared twice",
      """
      Two declarations have the same name, so it cannot be told which is meant. Queues are told apart by
      entity and name, everything else by name.
      """),
    DiagnosticCode(
      "C0011", "not a name",
      """
      A name is 1 to 128 letters, digits, `-`, `_` and `.`, and starts with a letter or digit: it must be
      safe in a URL, a file name, a label and a shell.
      """,
      wrong: """
        queue "my queue" { target = "process" }
        """,
      right: """
        queue "my-queue" { target = "process" }
        """),
    DiagnosticCode(
      "C0013", "no driver of this target",
      """
      Each target resource is run by a driver, a plugin folder of the same name. The plugins folder has
      none of this name.
      """,
      wrong: """
        queue "gpu" { target = "kuberntes" }
        """,
      right: """
        queue "gpu" { target = "kubernetes" }
        """),
    DiagnosticCode(
      "C0014", "no such resource config",
      """
      `resource = "name"` and `extend "name"` use a config that a `resource` declaration made.
      """,
      wrong: """
        queue "gpu" { target = "process", resource = "big" }
        """,
      right: """
        resource "big" { target = "process", config = { memory = "64Gi" } }
        queue "gpu" { target = "process", resource = "big" }
        """),
    DiagnosticCode(
      "C0015", "the resource config is for another target",
      """
      A shared resource config holds one target's own document, so only queues of that target can use it.
      """),
    DiagnosticCode(
      "C0016", "a key stands twice",
      """
      Lua silently takes the last of two equal keys, so one of these lines has no effect.
      """),
    DiagnosticCode(
      "C0017", "no such hook",
      """
      A queue names the hooks that are called on its events; each is a plugin folder of that name.
      """),
    DiagnosticCode(
      "C0018", "no such builder",
      """
      A queue may name the builder of its code and git jobs; each is a plugin folder of that name. `noop` is no
      plugin: it says that nothing is built.
      """,
      wrong: """
        queue "gpu" { target = "kubernetes", builder = "kanico" }
        """,
      right: """
        queue "gpu" { target = "kubernetes", builder = "kaniko" }
        """),
    DiagnosticCode(
      "C0019", "the builder makes nothing for the target",
      """
      A builder declares in `targets` what it builds for. The queue's target is not among them, so no code or git
      job of the queue could ever be built.
      """,
      wrong: """
        queue "local" { target = "process", builder = "kaniko" }
        """,
      right: """
        queue "local" { target = "process", builder = "venv" }
        """),
    DiagnosticCode(
      "C0020", "unknown key",
      """
      The declaration has a closed set of keys. A misspelt key would silently do nothing, so it is an
      error.
      """,
      wrong: """
        queue "gpu" { target = "process", conurrency = 4 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0021", "unknown key in a resource",
      """
      The target's driver declares which keys its resource has. `lunaport plugin doc TARGET` lists them.
      """,
      wrong: """
        queue "gpu" { target = "process", resource = { mem = "1Gi" } }
        """,
      right: """
        queue "gpu" { target = "process", resource = { memory = "1Gi" } }
        """),
    DiagnosticCode(
      "C0022", "a key is missing",
      """
      The declaration needs this key to mean anything.
      """,
      wrong: """
        queue "gpu" { concurrency = 4 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0023", "a value of the wrong kind",
      """
      The key takes another kind of value. Numbers and true or false are written without quotes.
      """,
      wrong: """
        queue "gpu" { target = "process", concurrency = "4" }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 4 }
        """),
    DiagnosticCode(
      "C0024", "a value that does not fit",
      """
      The kind is right, the value is out of range or none of the choices.
      """,
      wrong: """
        queue "gpu" { target = "process", concurrency = 0 }
        """,
      right: """
        queue "gpu" { target = "process", concurrency = 1 }
        """),
    DiagnosticCode(
      "C0025", "a secret in plain text",
      """
      Files are read by many people and kept in version control. A secret is named here, and given to the
      agent apart.
      """,
      wrong: """
        env = { TOKEN = "hf_abc" }
        """,
      right: """
        env = { TOKEN = secret "hf-token" }
        """),
  ]
}
