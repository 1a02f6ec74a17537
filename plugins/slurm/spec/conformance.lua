return {
  resource = { mem = "200Mi" },
  memory = {
    resource = { mem = "20Mi" },
    script = "x=0123456789abcdef; while :; do x=$x$x; done",
  },
  -- More processors than any node has: taken, and never begun.
  pending = { cpus_per_task = 100000 },
  secrets = true,
  broken = {
    { name = "a partition that is not there", resource = { partition = "nowhere" }, code = "config_invalid" },
    { name = "an array that is none", resource = { array = "0-x" }, code = "config_invalid" },
    { name = "a folder outside of the job's", resource = { cwd = "../.." }, code = "config_invalid" },
    { name = "a folder that is not there", resource = { cwd = "nowhere" }, state = "failed" },
  },
}
