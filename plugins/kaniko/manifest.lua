-- The objects of one build: a Job, and Secrets that bring it the source. Pure.

local manifest = {}

-- Bytes of the source in one Secret: an object has 1 MiB at most in all.
manifest.part_bytes = 900 * 1024
-- An ended build stays this long, for an agent that comes back to it.
local keep_seconds = 3600

function manifest.name(key)
  return "build-" .. string.sub(key, 1, 20)
end

function manifest.part_name(key, index)
  return manifest.name(key) .. "-" .. index
end

local function arguments(config, image, dockerfile)
  local list = {
    "--context=dir:///workspace", "--dockerfile=/workspace/" .. dockerfile, "--destination=" .. image,
    -- Read back from the pod's status: what was pushed, by its content.
    "--digest-file=/dev/termination-log",
  }
  if config.cache then
    local repository = config.cache_repository ~= "" and config.cache_repository or config.repository .. "/cache"
    list[#list + 1] = "--cache=true"
    list[#list + 1] = "--cache-repo=" .. repository
  end
  if config.insecure then
    list[#list + 1] = "--insecure"
    list[#list + 1] = "--insecure-pull"
  end
  local names = {}
  for name in pairs(config.build_args or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do list[#list + 1] = "--build-arg=" .. name .. "=" .. config.build_args[name] end
  for _, argument in ipairs(config.args) do list[#list + 1] = argument end
  return list
end

local function volumes(config, key, parts)
  local sources = {}
  for index = 1, parts do
    local path = string.format("%03d", index)
    sources[index] = { secret = { name = manifest.part_name(key, index), items = { { key = "part", path = path } } } }
  end
  local list = {
    { name = "parts", projected = { sources = sources } },
    { name = "workspace", emptyDir = {} },
  }
  if config.registry_secret then
    list[3] = {
      name = "registry",
      secret = {
        secretName = config.registry_secret, items = { { key = ".dockerconfigjson", path = "config.json" } },
      },
    }
  end
  return list
end

local function labels(key)
  return { ["app.kubernetes.io/managed-by"] = "lunaport", ["lunaport/token"] = manifest.name(key) }
end

-- The Job, not begun: it begins when its Secrets are there.
function manifest.job(config, image, key, dockerfile, parts)
  local mounts = { { name = "workspace", mountPath = "/workspace" } }
  if config.registry_secret then
    mounts[2] = { name = "registry", mountPath = "/kaniko/.docker", readOnly = true }
  end
  return {
    apiVersion = "batch/v1",
    kind = "Job",
    metadata = {
      name = manifest.name(key), namespace = config.namespace, labels = labels(key),
      annotations = { ["lunaport/incomplete"] = "true" },
    },
    spec = {
      parallelism = 0, backoffLimit = 0, ttlSecondsAfterFinished = keep_seconds,
      activeDeadlineSeconds = math.ceil(host.seconds(config.timeout)),
      template = {
        metadata = { labels = labels(key) },
        spec = {
          restartPolicy = "Never",
          automountServiceAccountToken = false,
          securityContext = { seccompProfile = { type = "RuntimeDefault" } },
          volumes = volumes(config, key, parts),
          initContainers = { {
            name = "unpack", image = config.unpack_image, imagePullPolicy = "IfNotPresent",
            command = { "sh", "-c", "cat /parts/* | tar -xzf - -C /workspace" },
            volumeMounts = { mounts[1], { name = "parts", mountPath = "/parts", readOnly = true } },
            securityContext = { allowPrivilegeEscalation = false, capabilities = { drop = { "ALL" } } },
          } },
          containers = { {
            name = "kaniko", image = config.image, imagePullPolicy = "IfNotPresent",
            args = arguments(config, image, dockerfile),
            resources = config.resources,
            volumeMounts = mounts,
            -- It unpacks images and changes owners in its own root, as root, and needs no more than that.
            securityContext = {
              runAsUser = 0, allowPrivilegeEscalation = false,
              capabilities = {
                drop = { "ALL" }, add = { "CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID" },
              },
            },
          } },
        },
      },
    },
  }
end

-- One part of the source, which goes when its Job goes.
function manifest.part(config, key, index, base64, job)
  return {
    apiVersion = "v1",
    kind = "Secret",
    metadata = {
      name = manifest.part_name(key, index), namespace = config.namespace, labels = labels(key),
      ownerReferences = { { apiVersion = "batch/v1", kind = "Job", name = job.metadata.name, uid = job.metadata.uid } },
    },
    data = { part = base64 },
  }
end

return manifest
