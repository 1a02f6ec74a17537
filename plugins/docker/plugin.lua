local variable = one_of { string(), secret() }
local names = list(string())

return driver {
  name = "docker",
  version = "1.0.0",
  api = { 1 },
  doc = "runs images as containers of a Docker Engine: dockerd or Podman",
  provides = {
    "source.image", "stop", "signal", "logs.tail", "stats", "list", "watch", "secrets", "gpu", "limit.memory",
    "limit.cpu",
  },
  needs = {
    "http:$endpoint", "socket:$endpoint", "socket:/var/run/docker.sock", "socket:/*/docker.sock",
    "socket:/*/podman.sock", "env:DOCKER_HOST", "read:$ca", "read:$cert", "read:$key", "read:$auth_file",
    -- Credential helpers that `auth_file` may name, and what those of the clouds look for.
    "exec:docker-credential-*", "env:AWS_*", "env:AZURE_*", "env:CLOUDSDK_*", "env:GOOGLE_APPLICATION_CREDENTIALS",
  },
  config = table {
    endpoint = string():default(""):doc(
      "unix:///PATH or tcp://HOST:PORT; where left out, the socket in DOCKER_HOST, or unix:///var/run/docker.sock"),
    ca = string():doc("file with the authority of the engine's certificate; tcp:// is TLS where this is given"),
    cert = string():doc("file with the certificate that the agent shows"),
    key = string():doc("file with the key of that certificate"),
    auth_file = string():doc(
      "Docker's config.json or Podman's auth.json, with the registries' passwords or the helpers that know them"),
    mounts = names:default({}):doc(
      "folders of the engine's machine that queues may mount, and all below them; `/data:ro` to read only. Whoever may "
        .. "write there may lay a link to anywhere"),
    volumes = names:default({}):doc("named volumes that queues may mount"),
    networks = names:default({ "none", "bridge", "default" }):doc("network modes that queues may use"),
    allow = list(choice {
      "CapAdd", "CgroupParent", "Devices", "IpcMode", "PidMode", "Privileged", "SecurityOpt", "Sysctls", "UsernsMode",
    }):default({}):doc("keys that queues may use though a run can reach the engine's machine with them"),
    gpu = choice { "auto", "yes", "no" }:default("auto"):doc(
      "whether the engine has GPUs; auto: where it knows a runtime of the name nvidia"),
  },
  resource = table {
    -- Of the container: the Engine's own names.
    User = string():doc("user or user:group; the image's own where left out"),
    WorkingDir = string():doc("where the program starts; the image's own where left out"),
    Hostname = string(),
    Env = map(variable):doc("environment of the program, over the run's own"),
    Labels = map(string()):doc("labels of the container, beside Lunaport's own"),
    Platform = string():doc("such as linux/arm64, where an image has several"),
    StopSignal = string():doc("the polite stop, such as SIGINT; SIGTERM or the image's own where left out"),
    Pull = choice { "missing", "always", "never" }:default("missing"):doc("when the image is pulled"),

    -- HostConfig: limits.
    Memory = size { min = "6Mi" }:implies("limit.memory"):doc("memory at most, and no swap unless MemorySwap says so"),
    MemoryReservation = size():doc("memory that it is pressed down to when the machine runs short"),
    MemorySwap = one_of { size(), int { min = -1, max = -1 } }:doc("memory and swap at most; -1 for any swap"),
    MemorySwappiness = int { min = 0, max = 100 },
    ShmSize = size():doc("size of /dev/shm; 64Mi where left out, which is little for data loaders"),
    Cpus = number { min = 0.01 }:implies("limit.cpu"):doc("cores at most; 1.5 is one and a half, NanoCpus 1500000000"),
    NanoCpus = int { min = 10000000 }:implies("limit.cpu"):doc("cores at most, in billionths"),
    CpuShares = int { min = 2, max = 262144 }:doc("weight against others; 1024 is usual"),
    CpuPeriod = int { min = 1000, max = 1000000 }:doc("microseconds"),
    CpuQuota = int { min = 1000 }:implies("limit.cpu"):doc("microseconds of each CpuPeriod"),
    CpusetCpus = string():doc("cores to run on, such as 0-3,8"),
    CpusetMems = string():doc("memory nodes to use, such as 0"),
    BlkioWeight = int { min = 10, max = 1000 },
    PidsLimit = int { min = 1 }:doc("processes and threads at most"),
    Ulimits = list(table {
      Name = string():required():doc("such as nofile"),
      Soft = int():required(),
      Hard = int():required(),
    }),
    StorageOpt = map(string()):doc("such as size = \"20G\", where the engine's storage can"),

    -- HostConfig: GPUs and other devices.
    DeviceRequests = list(table {
      Driver = string():doc("such as nvidia or cdi; the engine's choice where left out"),
      Count = int { min = -1 }:doc("how many; -1 is all"),
      DeviceIDs = names:doc("which; instead of Count"),
      Capabilities = list(names):doc("{ { \"gpu\" } } where left out"),
      Options = map(string()),
    }, { min = 1 }):implies("gpu"):doc("GPUs: { { Count = 1 } }"),
    Devices = list(table {
      PathOnHost = string():required(),
      PathInContainer = string():required(),
      CgroupPermissions = string():default("rwm"),
    }):doc("needs `allow`"),
    Runtime = string():doc("one that the engine's own configuration names"),

    -- HostConfig: files.
    Binds = names:doc("SOURCE:TARGET or SOURCE:TARGET:ro; needs `mounts` or `volumes` of the agent's settings"),
    Mounts = list(table {
      Type = choice { "bind", "volume", "tmpfs" }:required(),
      Source = string():doc("path or volume"),
      Target = string():required(),
      ReadOnly = bool():default(false),
      TmpfsOptions = table { SizeBytes = size(), Mode = int { min = 0, max = 1023 } },
    }):doc("as Binds; a tmpfs needs no permission"),
    Tmpfs = map(string()):doc("by target, such as [\"/scratch\"] = \"size=1g\""),
    ReadonlyRootfs = bool(),

    -- HostConfig: network.
    NetworkMode = string():default("default"):doc("none, bridge, ..., as far as the agent's settings allow"),
    Dns = names,
    DnsOptions = names,
    DnsSearch = names,
    ExtraHosts = names:doc("NAME:ADDRESS"),

    -- HostConfig: what a program may do. More than this needs `allow`.
    CapDrop = names:doc("such as ALL"),
    CapAdd = names:doc("needs `allow`"),
    SecurityOpt = names:doc("no-new-privileges is always there; others need `allow`"),
    GroupAdd = names,
    Init = bool():doc("a small init as process 1, which hands signals on and reaps zombies"),
    IpcMode = string():doc("none and private; others need `allow`"),
    PidMode = string():doc("needs `allow`"),
    UsernsMode = string():doc("needs `allow`"),
    CgroupParent = string():doc("needs `allow`"),
    Sysctls = map(string()):doc("needs `allow`"),
    Privileged = bool():doc("needs `allow`"),
    RestartPolicy = table { Name = choice { "no" }:default("no") }:doc("only no: the queue's `retry` starts again"),
  },
  handle = { version = 1, shape = table { id = string():required(), token = string():required() } },
}
