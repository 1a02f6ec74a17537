-- For the double: `Tests/EngineTests/Engines/cloud.sh start`; DOUBLE_... are its own words. On the real service give an
-- image of your own with --fixture, and expect the suite to take hours and to cost money.
local machine = { machineType = "n1-standard-4" }

local function with(name, value)
  local container = { env = { { name = name, value = value } } }
  return { workerPoolSpecs = { { machineSpec = machine, replicaCount = 1, containerSpec = container } } }
end

return {
  image = "us-central1-docker.pkg.dev/test-project/images/busy:latest",
  shell = { "/bin/sh", "-c" },
  lines = true,
  resource = { workerPoolSpecs = { { machineSpec = machine, replicaCount = 1 } } },
  pending = with("DOUBLE_PENDING", "3600"),
  broken = {
    {
      name = "an accelerator that there is not",
      resource = { workerPoolSpecs = { { machineSpec = { acceleratorType = "NONE", acceleratorCount = 1 } } } },
      code = "config_invalid",
    },
    { name = "no room for it", resource = with("DOUBLE_END", "capacity"), state = "failed" },
    { name = "machines taken away", resource = with("DOUBLE_END", "preempted"), state = "preempted" },
    { name = "a fault of the service", resource = with("DOUBLE_END", "internal"), state = "lost" },
  },
}
