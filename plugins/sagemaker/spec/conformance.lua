-- For the double: `Tests/EngineTests/Engines/cloud.sh start`; DOUBLE_... are its own words. On the real service give a
-- role, a bucket and an image of your own with --fixture, and expect the suite to take hours and to cost money.
return {
  image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/busy:latest",
  shell = { "/bin/sh", "-c" },
  lines = true,
  resource = {
    RoleArn = "arn:aws:iam::123456789012:role/training",
    OutputDataConfig = { S3OutputPath = "s3://results/runs" },
    ResourceConfig = { InstanceType = "ml.m5.large", InstanceCount = 1, VolumeSizeInGB = 10 },
    StoppingCondition = { MaxRuntimeInSeconds = 3600 },
  },
  pending = { Environment = { DOUBLE_PENDING = "3600" } },
  broken = {
    {
      name = "an instance type that there is not",
      resource = { ResourceConfig = { InstanceType = "ml.none" } },
      code = "config_invalid",
    },
    { name = "a role that is none", resource = { RoleArn = "arn:aws:iam::1:role/x" }, code = "config_invalid" },
    {
      name = "an image that cannot be pulled", resource = { Environment = { DOUBLE_END = "image" } }, state = "failed",
    },
    { name = "no room for it", resource = { Environment = { DOUBLE_END = "capacity" } }, state = "failed" },
    { name = "spot machines taken away", resource = { Environment = { DOUBLE_END = "spot" } }, state = "preempted" },
    { name = "a fault of the service", resource = { Environment = { DOUBLE_END = "internal" } }, state = "lost" },
  },
}
