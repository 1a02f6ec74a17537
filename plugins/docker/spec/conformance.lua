local broken = {
  {
    name = "an image that is not there and may not be pulled", image = "localhost/no/such:image",
    resource = { Pull = "never" }, code = "not_found",
  },
  { name = "a user that the image does not have", resource = { User = "nobody-here" }, code = "config_invalid" },
  { name = "a mount that nobody allows", resource = { Binds = { "/etc:/host" } }, code = "config_invalid" },
  { name = "a network that nobody allows", resource = { NetworkMode = "host" }, code = "config_invalid" },
  { name = "privileges that nobody allows", resource = { Privileged = true }, code = "config_invalid" },
}

return {
  image = "local/busy:latest",
  shell = { "/bin/sh", "-c" },
  resource = {},
  memory = { resource = { Memory = "32Mi" }, script = "x=a; while :; do x=$x$x; done" },
  secrets = { Env = { SUITE_SECRET = { ["$secret"] = "suite" } } },
  broken = broken,
}
