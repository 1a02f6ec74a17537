return driver {
  name = "process",
  version = "1.0.0",
  api = { 1 },
  doc = "runs jobs as local processes that outlive the agent",
  provides = {
    "source.code", "source.git", "stop", "signal", "logs.tail", "stats", "secrets", "limit.memory", "limit.cpu",
  },
  needs = { "process" },
  resource = table {
    memory = size { min = "4Mi" }:implies("limit.memory"):doc("memory at most, over all processes of the run"),
    cpu = number { min = 0.01 }:implies("limit.cpu"):doc("cores at most; 1.5 is one and a half"),
    env = map(one_of { string(), secret() }):doc("environment of the program, over the run's own"),
    cwd = string():doc("where the program starts, relative to the job's folder"),
    shell = bool():default(false):doc("run the command through /bin/sh"),
  },
  handle = { version = 1, shape = table { token = string():required() } },
}
