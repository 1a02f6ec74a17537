-- For Podman 4: it does not say that a program took more memory than its limit, only that it was killed.
return {
  image = "local/busy:latest",
  shell = { "/bin/sh", "-c" },
  -- Or tests of two engines on one machine would meet in its packet filter.
  resource = { NetworkMode = "none" },
  secrets = { Env = { SUITE_SECRET = { ["$secret"] = "suite" } } },
}
