local condition = table {
  path = string():required():doc("such as status.state.phase, or status.conditions[type=Failed].status"),
  equals = one_of { string(), bool(), number(), list(string()) }:default("True"):doc("the value, or any of several"),
}

return driver {
  name = "kubernetes",
  version = "1.0.0",
  api = { 1 },
  doc = "runs images as Kubernetes Jobs, or as custom resources of any kind",
  provides = {
    "source.image", "stop", "logs.tail", "stats", "list", "watch", "gpu", "array", "nodes", "preempt.detect", "secrets",
    "limit.memory", "limit.cpu",
  },
  needs = {
    -- A kubeconfig may name any server; which one is the operator's to say.
    "http:*", "files", "read:$kubeconfig", "read:$files", "read:~/.kube/*",
    "read:/var/run/secrets/kubernetes.io/serviceaccount/*", "env:KUBERNETES_SERVICE_*", "env:KUBECONFIG",
    -- Programs that a kubeconfig may get its credential from, and what these look for.
    "env:AWS_*", "env:AZURE_*", "env:CLOUDSDK_*", "env:GOOGLE_APPLICATION_CREDENTIALS",
    "exec:aws", "exec:aws-iam-authenticator", "exec:gke-gcloud-auth-plugin", "exec:kubelogin",
    "exec:kubectl-oidc_login", "exec:doctl", "exec:tsh",
  },
  config = table {
    kubeconfig = string():doc("where it is not ~/.kube/config, nor the agent runs in a pod"),
    context = string():doc("of the kubeconfig; its current one where left out"),
    files = string():doc("folder of certificates, keys and tokens that the kubeconfig names, outside ~/.kube"),
    namespaces = list(string(), { min = 1, max = 50 }):default({ "default" })
      :doc("all that queues may use; the first is taken where a queue names none"),
    kinds = list(table {
      apiVersion = string { pattern = "*/*" }:required():doc("such as kubeflow.org/v1"),
      kind = string():required():doc("such as PyTorchJob"),
      plural = string():doc("as the API server's paths have it; the kind in lower case and an s where left out"),
    }):default({}):doc("custom resources that queues may use beside Jobs"),
    service_accounts = list(string()):default({ "default" }):doc("all that runs may have"),
    allow = list(choice {
      "host_path", "host_network", "host_process", "privileged", "capabilities", "service_account_token",
    }):default({}):doc("what queues may ask for that reaches beyond a pod; nothing where left out"),
    patience = duration { min = "1s" }:default("10m")
      :doc("how long a run waits for an image that cannot be pulled or a container that cannot be made"),
    keep = duration { min = "1m" }:default("7d")
      :doc("how long an ended Job stays where the agent is away (ttlSecondsAfterFinished)"),
  },
  resource = table {
    apiVersion = string():default("batch/v1"),
    kind = string():default("Job"),
    namespace = string(),
    metadata = table { labels = map(string()), annotations = map(string()) },
    spec = any():doc("spec of the Job or custom resource, as Kubernetes documents it"),
    container = string():doc("the container that the run's program is put into; the first of each pod where left out"),
    env = map(one_of { string(), secret() }):doc("environment of the program, over the run's own"),
    status = table {
      running = condition, succeeded = condition, failed = condition, preempted = condition,
      message = string():doc("path of a text for people"),
      stop = table { path = string():required(), value = any() }
        :doc("what to set to stop it, such as spec.suspend to true; it is deleted where left out"),
    }:doc("how to read the state of a custom resource"),
  },
  handle = {
    version = 1,
    shape = table {
      api = string():required(),
      kind = string():required(),
      plural = string():required(),
      namespace = string():required(),
      name = string():required(),
      token = string():required(),
    },
  },
}
