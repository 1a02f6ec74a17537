-- What the conformance suite runs on a cluster whose nodes have the image.
local function containers(resources)
  return { template = { spec = { containers = { {
    name = "main", imagePullPolicy = "IfNotPresent", resources = resources,
  } } } } }
end

return {
  image = "localhost/local/busy:latest",
  shell = { "/bin/sh", "-c" },
  resource = { spec = containers() },
  memory = {
    resource = { spec = containers { limits = { memory = "16Mi" } } },
    script = "x=0123456789abcdef; while :; do x=$x$x; done",
  },
  pending = { spec = containers { limits = { ["example.com/none"] = "1" } } },
  secrets = true,
  broken = {
    {
      name = "a namespace that the agent does not use",
      resource = { namespace = "kube-system" },
      code = "config_invalid",
    },
    {
      name = "a path of the node",
      resource = { spec = { template = { spec = { volumes = { { name = "root", hostPath = { path = "/" } } } } } } },
      code = "config_invalid",
    },
    { name = "a field that is none", resource = { spec = { parallelism = "many" } }, code = "config_invalid" },
    {
      name = "a kind that the agent does not run",
      resource = { apiVersion = "kubeflow.org/v1", kind = "PyTorchJob" },
      code = "config_invalid",
    },
    { name = "an image whose name is invalid", image = "UPPER CASE", state = "failed" },
    { name = "an image that is not there", image = "localhost/local/none:1", state = "pending" },
    {
      name = "a program that is not there",
      resource = { spec = { template = { spec = { containers = { {
        name = "main", imagePullPolicy = "IfNotPresent", command = { "/none" },
      } } } } } },
      state = "failed",
    },
  },
}
