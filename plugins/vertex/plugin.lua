-- The resource is the jobSpec of a CustomJob, with the job's own `labels` and `encryptionSpec` beside it. Compared with
-- Google's discovery document; lists of accelerators and machines are Google's to know.

local pool = table {
  machineSpec = table {
    machineType = string(),
    acceleratorType = string():implies("gpu"),
    acceleratorCount = int { min = 0 },
    tpuTopology = string(),
    gpuPartitionSize = string(),
    reservationAffinity = any(),
  },
  replicaCount = int { min = 1 },
  containerSpec = table {
    imageUri = string():doc("the run's image, where left out"),
    command = list(string()):doc("where the run names no entry point"),
    args = list(string()):doc("where the run has no arguments"),
    env = list(table { name = string():required(), value = string():required() }):doc("over the run's own"),
  },
  pythonPackageSpec = any():doc("instead of a container; the run's image is not used then"),
  diskSpec = table { bootDiskType = string(), bootDiskSizeGb = int { min = 1 } },
  nfsMounts = any(),
  lustreMounts = any(),
}

return driver {
  name = "vertex",
  version = "1.0.0",
  api = { 1 },
  doc = "runs image jobs as custom jobs of Google Vertex AI",
  uses = { "sagemaker" },
  provides = { "source.image", "stop", "logs.tail", "list", "gpu", "nodes", "preempt.detect" },
  needs = {
    "http:*.googleapis.com", "http:$endpoint", "http:$logs_endpoint", "http:$metadata_endpoint", "read:$key_file",
  },
  config = table {
    project = string():doc("project id; else that of the key file, or of the machine"),
    location = string():doc("location, such as europe-west4; without it the target is not used"),
    key_file = string():doc("service account's key; without it the machine's own service account is used"),
    endpoint = string():doc("URL of the API, where it is not the location's own"),
    logs_endpoint = string():default("https://logging.googleapis.com"):doc("URL of Cloud Logging"),
    metadata_endpoint = string():default("http://metadata.google.internal"):doc("URL of the machine's metadata"),
    log_settle = duration { max = "1m" }:default("10s"):doc("time in which output still arrives, out of order"),
    log_requests = int { min = 1, max = 6000 }:default(50):doc("requests to Cloud Logging a minute, at most"),
  },
  resource = table {
    workerPoolSpecs = list(pool, { min = 1 }):required():doc("machines and containers; the first pool is the chief"),
    scheduling = table {
      timeout = string { pattern = "*s" },
      maxWaitDuration = string { pattern = "*s" },
      restartJobOnWorkerRestart = bool(),
      disableRetries = bool(),
      strategy = choice { "ON_DEMAND", "LOW_COST", "STANDARD", "SPOT", "FLEX_START" },
    },
    serviceAccount = string():doc("who the job is"),
    network = string(),
    reservedIpRanges = list(string()),
    pscInterfaceConfig = any(),
    baseOutputDirectory = table { outputUriPrefix = string { pattern = "gs://*" }:required() },
    protectedArtifactLocationId = string(),
    persistentResourceId = string(),
    tensorboard = string(),
    experiment = string(),
    experimentRun = string(),
    models = list(string()),
    enableWebAccess = bool(),
    enableDashboardAccess = bool(),
    labels = map(string()):doc("labels of the job, beside those of the run"),
    encryptionSpec = table { kmsKeyName = string():required() },
  },
  handle = { version = 1, shape = table { name = string():required() } },
  poll_interval = "10s",
}
