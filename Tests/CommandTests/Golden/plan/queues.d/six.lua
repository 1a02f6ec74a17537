-- A queue for each target: a shared config, what the queue adds to it, a hole, and a run that fills and changes it.
resource "small" {
  target = "process",
  config = { memory = "1Gi", env = { FROM = "preset", KEPT = "preset" } },
}
queue "process" {
  target = "process",
  timeout = "1h",
  resource = extend "small" { env = { FROM = "queue" }, cpu = var("cores", number { min = 0.5 }:default(1)) },
  override = "any",
}

resource "box" {
  target = "docker",
  config = { Memory = "1Gi", PidsLimit = 100, Env = { FROM = "preset" } },
}
queue "docker" {
  target = "docker",
  timeout = "1h",
  resource = extend "box" {
    Env = { FROM = "queue", TOKEN = secret "token" },
    Cpus = var("cores", number { min = 0.5 }:default(1)),
  },
  override = "any",
}

resource "pod" {
  target = "kubernetes",
  config = { metadata = { labels = { team = "preset", kept = "preset" } }, spec = { backoffLimit = 0 } },
}
queue "kubernetes" {
  target = "kubernetes",
  timeout = "1h",
  resource = extend "pod" {
    metadata = { labels = { team = "queue" } },
    spec = { template = { spec = { containers = { {
      name = "main",
      image = "${image_uri}",
      resources = { limits = { cpu = var("cores", number { min = 0.5 }:default(1)) } },
    } } } } },
  },
  override = "any",
}

resource "partition" {
  target = "slurm",
  config = { partition = "batch", nice = 10 },
}
queue "slurm" {
  target = "slurm",
  timeout = "1h",
  resource = extend "partition" { cpus_per_task = var("cores", int { min = 1 }:default(1)) },
  override = "any",
}

resource "training" {
  target = "sagemaker",
  config = {
    RoleArn = "arn:aws:iam::123456789012:role/training",
    OutputDataConfig = { S3OutputPath = "s3://results/${project_name}" },
    ResourceConfig = { InstanceType = "ml.m5.large", InstanceCount = 1, VolumeSizeInGB = 30 },
    StoppingCondition = { MaxRuntimeInSeconds = 86400 },
    Environment = { FROM = "preset" },
  },
}
queue "sagemaker" {
  target = "sagemaker",
  timeout = "1h",
  resource = extend "training" {
    ResourceConfig = { InstanceCount = var("cores", int { min = 1 }:default(1)) },
    Environment = { FROM = "queue" },
  },
  override = "any",
}

resource "chief" {
  target = "vertex",
  config = { labels = { team = "preset", kept = "preset" }, scheduling = { timeout = "86400s" } },
}
queue "vertex" {
  target = "vertex",
  timeout = "1h",
  resource = extend "chief" {
    labels = { team = "queue" },
    workerPoolSpecs = { {
      machineSpec = { machineType = "n1-standard-4" },
      replicaCount = var("cores", int { min = 1 }:default(1)),
    } },
  },
  override = "any",
}
