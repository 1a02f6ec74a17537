return builder {
  name = "venv",
  version = "1.0.0",
  api = { 1 },
  doc = "makes Python virtual environments for local processes",
  builds = { "code", "git" },
  targets = { "process", "mock", "slurm" },
  needs = { "exec:python3*", "exec:rm", "files", "env:PIP_*", "env:*_proxy", "env:*_PROXY" },
  config = table {
    timeout = duration():default("30m"):doc("time one build may take"),
    keep = duration { min = "1d" }:default("30d")
      :doc("how long an environment stays that no run asks for; longer than any run takes"),
  },
}
