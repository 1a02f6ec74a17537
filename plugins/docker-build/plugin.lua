return builder {
  name = "docker-build",
  version = "1.0.0",
  api = { 1 },
  doc = "makes images of code and git jobs with a Docker Engine: dockerd or Podman",
  builds = { "code", "git" },
  targets = { "docker", "kubernetes", "sagemaker", "vertex" },
  uses = { "docker", "venv" },
  needs = {
    "files", "exec:tar", "http:$endpoint", "socket:$endpoint", "socket:/var/run/docker.sock", "socket:/*/docker.sock",
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
    repository = string():default(""):doc(
      "where images are pushed, such as registry.example:5000/team; where left out they stay on the engine's machine, "
        .. "which is enough for the target docker on the same engine"),
    dockerfile = string():default("Dockerfile"):doc("a job that has this file is built by it"),
    base_image = string():default("python:{python}-slim"):doc("what other jobs' images begin with; {python} is filled"),
    accelerator_image = string():default(""):doc("the same for queues that ask for GPUs; base_image where left out"),
    python = string():default("3.12"):doc("the Python of jobs that name none"),
    user = string():default("1000:1000"):doc("whom the programs of jobs without a Dockerfile run as"),
    network = string():default(""):doc("network mode of the build's steps; the engine's own where left out"),
    build_args = map(string()):doc("such as PIP_INDEX_URL; an image shows them, so give no passwords"),
    timeout = duration():default("1h"):doc("time one build may take"),
  },
}
