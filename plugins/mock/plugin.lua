-- A target that does nothing, on demand badly: for tests, and for people who learn how a driver works.
return driver {
  name = "mock",
  version = "1.0.0",
  api = { 1 },
  doc = "does nothing, with faults on demand",
  provides = { "source.code", "source.git", "source.image", "stop", "logs.tail", "stats", "gpu", "preempt.detect" },
  needs = { "files" },
  config = table {
    health = choice { "healthy", "unhealthy", "undetected" }:default("healthy"):doc("what the probe says"),
    detail = string():default("as configured"):doc("the probe's detail"),
  },
  resource = table {
    run_for = duration():default("0s"):doc("time from start to end"),
    pending_for = duration():default("0s"):doc("time before it counts as running"),
    exit_code = int { min = 0, max = 255 }:default(0):doc("how it ends"),
    signal = int { min = 1, max = 64 }:doc("the signal that ends it, instead of an exit code"),
    out_of_memory = bool():default(false):doc("it ends for want of memory"),
    ends = choice { "by_itself", "preempted", "lost", "never" }:default("by_itself"):doc("what ends it"),
    output = string():default(""):doc("what it prints"),
    repeats = int { min = 1, max = 100000 }:default(1):doc("how often it prints it"),
    gpus = int { min = 0, max = 64 }:implies("gpu"):doc("GPUs that it pretends to use"),
    plan_fails = string():doc("code of the failure that plan returns"),
    start_fails = string():doc("code of the failure that start returns"),
    start_fails_times = int { min = 1, max = 1000 }:default(1000):doc("after so many failures start succeeds"),
    start_retry = one_of { choice { "never", "safe", "unknown_effect" }, number { min = 0 } }:default("never")
      :doc("what the failure says of trying again; a number is seconds to wait"),
    start_takes_effect = bool():default(false):doc("a failing start has started all the same"),
    start_raises = bool():default(false):doc("start raises a Lua error"),
    ignores_stop = bool():default(false):doc("a polite stop is not obeyed"),
  },
  handle = { version = 1, shape = table { token = string():required() } },
}
