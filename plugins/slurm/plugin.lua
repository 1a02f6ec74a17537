-- Slurm, by its command line or by slurmrestd. The keys of `resource` are sbatch's own options.

local count = one_of { int { min = 0 }, string { pattern = "?*:?*" } }

return driver {
  name = "slurm",
  version = "1.0.0",
  api = { 1 },
  doc = "runs jobs on a Slurm cluster",
  provides = {
    "source.code", "source.git", "source.image", "stop", "signal", "logs.tail", "stats", "list", "gpu", "array",
    "nodes", "preempt.detect", "secrets", "limit.memory",
  },
  needs = {
    "exec:sbatch", "exec:squeue", "exec:scancel", "exec:scontrol", "exec:sinfo", "exec:sacct", "exec:sstat",
    "exec:mkdir", "exec:ln", "exec:cp", "exec:dd", "env:SLURM_CONF", "files",
    "http:$url", "socket:$socket", "read:$token_file", "read:$ca",
  },
  poll_interval = "5s",
  config = table {
    bin = string():doc("folder of Slurm's commands, where they are not on the agent's PATH"),
    conf = string():doc("path of slurm.conf; else SLURM_CONF of the agent's environment, else Slurm's own default"),
    timeout = duration { min = "1s", max = "100s" }:default("30s"):doc("time one command or request may take"),
    shared = string { pattern = "/*" }:doc(
      "folder that the nodes see under the same path; left out, they see the agent's data folder"),
    login = bool():default(false):doc("run scripts through a login shell (bash -l), as for environment modules"),
    prologue = list(string()):doc("lines of shell that each script begins with"),
    own_lines = bool():default(false):doc("queues may add lines of their own by `prologue`"),
    containers = choice { "none", "pyxis", "apptainer" }:default("none"):doc("what runs image jobs on the nodes"),
    memory_limits = bool():doc("Slurm holds jobs to their memory; left out, scontrol is asked"),
    url = string { pattern = "http*://?*" }:doc("slurmrestd, such as http://head:6820; instead of the commands"),
    socket = string():doc("Unix socket of slurmrestd; instead of `url`"),
    ca = string():doc("file with the certificate that slurmrestd's is signed by, where the system does not know it"),
    user = string():doc("user that slurmrestd acts for; the agent's files must be that user's"),
    token = string():doc("JWT of that user"),
    token_file = string():doc("file with that JWT, read anew for each request"),
    token_lifespan = duration { min = "1m" }:default("1h")
      :doc("without `token` and `token_file`, scontrol makes tokens of this life"),
    api_version = string { pattern = "v0.0.*" }:doc("version of slurmrestd's API; left out, slurmrestd is asked"),
  },
  resource = table {
    partition = string():doc("partition; a comma between several"),
    account = string():doc("account that is charged"),
    qos = string():doc("quality of service"),
    time = duration { min = "1m" }:doc("time limit in Slurm; left out, the run's timeout and a minute"),
    nodes = one_of { int { min = 1 }, string { pattern = "?*-?*" } }:implies("nodes"):doc("nodes, or a range: 2-4"),
    ntasks = int { min = 1 }:doc("tasks"),
    ntasks_per_node = int { min = 1 }:doc("tasks on each node"),
    cpus_per_task = int { min = 1 }:doc("processors of each task"),
    mem = size { min = "1Mi" }:implies("limit.memory"):doc("memory on each node"),
    mem_per_cpu = size { min = "1Mi" }:implies("limit.memory"):doc("memory for each processor"),
    gpus = count:implies("gpu"):doc("GPUs in all: 4, or with a type a100:4"),
    gpus_per_node = count:implies("gpu"):doc("GPUs on each node"),
    gpus_per_task = count:implies("gpu"):doc("GPUs of each task"),
    gres = string():doc("other generic resources on each node, such as nvme:1"),
    constraint = string():doc("features that nodes must have"),
    array = string():implies("array"):doc("indexes of an array of tasks: 0-9, 1,3,5, 0-99%8 (8 at a time)"),
    exclusive = bool():doc("no other job on its nodes"),
    licenses = string():doc("licenses"),
    reservation = string():doc("reservation"),
    nodelist = string():doc("nodes that it must have"),
    exclude = string():doc("nodes that it must not have"),
    requeue = bool():default(false)
      :doc("Slurm itself runs it again after preemption and failed nodes; else that is told, for the queue's `retry`"),
    nice = int { min = -2147483645, max = 2147483645 }:doc("adjustment of its priority"),
    mail_type = list(choice { "BEGIN", "END", "FAIL", "REQUEUE", "ALL", "TIME_LIMIT", "TIME_LIMIT_90" })
      :doc("events that Slurm sends mail about"),
    mail_user = string():doc("who gets that mail"),
    launch = choice { "auto", "batch", "srun" }:default("auto")
      :doc("batch: the command runs once, on the first node; srun: in each task; auto: srun where there are several"),
    container_image = string():doc("image for this command, instead of the job's own"),
    container_mounts = list(string { pattern = "/*" }):doc("folders to mount in the container, HOST or HOST:CONTAINER"),
    container = string { pattern = "/*" }:doc("OCI bundle to run it in, by Slurm itself"),
    modules = list(string()):doc("environment modules to load"),
    prologue = list(string()):doc("lines of shell before the command; only where the operator allows them"),
    env = map(one_of { string(), secret() }):doc("environment of the program, over the run's own"),
    cwd = string():doc("where the program starts, relative to the job's folder"),
  },
  handle = {
    version = 1,
    shape = table {
      token = string():required(),
      job_id = string():required(),
      array = string():doc("indexes of its tasks, where it is an array"),
    },
  },
}
