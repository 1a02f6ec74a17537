return {
  resource = { env = { GIVEN = "by the fixture" } },
  memory = {
    resource = { memory = "64Mi" },
    script = "x=0123456789abcdef; while :; do x=$x$x; done",
  },
  secrets = true,
  broken = {
    { name = "a folder that is not there", resource = { cwd = "nowhere" }, code = "not_found" },
  },
}
