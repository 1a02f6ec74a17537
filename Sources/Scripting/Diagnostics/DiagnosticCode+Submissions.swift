extension DiagnosticCode {
  /// Codes of what files make of a submission.
  static let submissions: [DiagnosticCode] = [
    DiagnosticCode(
      "S0001", "no such variable",
      """
      A run can only set the variables that its queue declares.
      """),
    DiagnosticCode(
      "S0002", "the queue does not allow it",
      """
      The queue's `override` says what a run may change.
      """),
    DiagnosticCode(
      "S0003", "a value that does not fit the variable",
      """
      The queue declares the type of each variable.
      """),
    DiagnosticCode(
      "S0004", "resource arguments for another target",
      """
      Resource arguments stand under the name of the target that they are for.
      """),
    DiagnosticCode(
      "S0005", "resource arguments are not a table",
      """
      They are laid over the queue's resource key by key.
      """),
    DiagnosticCode(
      "S0006", "a variable was not given",
      """
      The queue requires the variable and has no default for it.
      """),
    DiagnosticCode(
      "S0007", "the resource does not fit the target",
      """
      With the run's own values the resource is no longer what the target's driver takes.
      """),
    DiagnosticCode(
      "S0008", "the queue has no priorities",
      """
      Runs may only state a priority where the queue says `priorities = true`.
      """),
    DiagnosticCode(
      "S0009", "the queue builds nothing, and the job needs a build",
      """
      A queue with `builder = "noop"` takes jobs that run as they are: images, and, where the target runs folders, code
      and git jobs without dependencies. Other jobs belong on a queue that has a builder.
      """),
  ]
}
