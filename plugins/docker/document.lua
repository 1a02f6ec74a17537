-- From a queue's resource and a run to the document that creates a container, and what the operator does not allow.

local document = {}

-- Bytes that queues may give as "4Gi".
local SIZES = { "Memory", "MemoryReservation", "MemorySwap", "ShmSize" }
-- Keys that go into HostConfig as they are.
local HOST = {
  "MemorySwappiness", "NanoCpus", "CpuShares", "CpuPeriod", "CpuQuota", "CpusetCpus", "CpusetMems", "BlkioWeight",
  "PidsLimit", "Ulimits", "StorageOpt", "Devices", "Runtime", "Binds", "Tmpfs", "ReadonlyRootfs", "NetworkMode", "Dns",
  "DnsOptions", "DnsSearch", "ExtraHosts", "CapDrop", "CapAdd", "GroupAdd", "Init", "IpcMode", "PidMode", "UsernsMode",
  "CgroupParent", "Sysctls", "Privileged",
}
-- Keys of the container itself.
local CONTAINER = { "User", "WorkingDir", "Hostname", "StopSignal" }
-- Keys with which a run can reach the engine's machine.
local GUARDED = {
  "CapAdd", "CgroupParent", "Devices", "IpcMode", "PidMode", "Privileged", "SecurityOpt", "Sysctls", "UsernsMode",
}
-- Values of those keys that give nothing away.
local HARMLESS = {
  IpcMode = { none = true, private = true },
  SecurityOpt = { ["no-new-privileges"] = true, ["no-new-privileges:true"] = true, ["no-new-privileges=true"] = true },
}
-- Of the engine's own log drivers this one keeps bytes as they are and ends old files: json-file makes other bytes of
-- those that are no UTF-8, and fills the disk. 100 MB of output are kept until the agent has read them. Not compressed:
-- dockerd 20 leaves compressed files out where a log is asked for from a time on.
local LOGS = { Type = "local", Config = { ["max-size"] = "20m", ["max-file"] = "5", compress = "false" } }
local MODES = { ro = true, rw = true, z = true, Z = true }

local function denied(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

local function contains(list, item)
  for _, one in ipairs(list) do
    if one == item then return true end
  end
  return false
end

local function is_harmless(key, value)
  if value == false or value == "" then return true end
  local harmless = HARMLESS[key] or {}
  if type(value) ~= "table" then return harmless[value] end
  for _, item in ipairs(value) do
    if not harmless[item] then return false end
  end
  return next(value) == nil or value[1] ~= nil
end

-- Whether `path` is one of a folder's own, and not another by way of `..`.
local function is_plain(path)
  return string.sub(path, 1, 1) == "/" and not string.find(path .. "/", "/%.%.?/")
end

local function is_below(path, folder)
  folder = string.gsub(folder, "/+$", "")
  return path == folder or string.sub(path, 1, #folder + 1) == folder .. "/"
end

-- Whether a folder has the socket in it. /var/run is a link to /run.
local function has_socket(folder, socket)
  local function real(path) return (string.gsub(path, "^/var/run%f[/\0]", "/run")) end
  return is_below(socket, folder) or is_below(real(socket), real(folder))
end

-- Whether the operator allows `source` to be mounted; nil and a failure where not.
local function allow_mount(ctx, source, read_only, socket)
  local config = ctx.config
  if string.sub(source, 1, 1) ~= "/" then
    if contains(config.volumes, source) then return true end
    return denied(
      "the queue mounts the volume `" .. source .. "`, which this agent's operator does not allow",
      "put it into `volumes` of the settings of plugin " .. ctx.plugin)
  end
  source = string.gsub(source, "//+", "/")
  if not is_plain(source) then
    return denied("the queue mounts `" .. source .. "`, and a mount is named without . and ..")
  end
  if string.find(source, "%.sock$") or socket and has_socket(source, socket) then
    return denied(
      "the queue mounts `" .. source .. "`, which has the engine's own socket: the run could do anything there",
      "mount a folder that has only what the run needs")
  end
  local reads
  for _, entry in ipairs(config.mounts) do
    local folder, mode = string.match(entry, "^(.-):(r[ow])$")
    if is_below(source, folder or entry) then
      if mode ~= "ro" or read_only then return true end
      reads = true
    end
  end
  if reads then
    return denied(
      "the queue mounts `" .. source .. "` to write, and this agent's operator allows to read it",
      "mount it read only")
  end
  return denied(
    "the queue mounts `" .. source .. "`, which this agent's operator does not allow",
    "put the folder into `mounts` of the settings of plugin " .. ctx.plugin)
end

local function allow_mounts(ctx, resource, socket)
  for _, bind in ipairs(resource.Binds or {}) do
    local source, target, modes = string.match(bind, "^([^:]+):([^:]+):?([^:]*)$")
    if not source or string.sub(target, 1, 1) ~= "/" then
      return denied("the bind `" .. bind .. "` is not SOURCE:TARGET or SOURCE:TARGET:ro")
    end
    local read_only = false
    for mode in string.gmatch(modes, "[^,]+") do
      if not MODES[mode] then return denied("the bind `" .. bind .. "` has the mode `" .. mode .. "`", "ro or rw") end
      read_only = read_only or mode == "ro"
    end
    local ok, failure = allow_mount(ctx, source, read_only, socket)
    if not ok then return nil, failure end
  end
  for _, mount in ipairs(resource.Mounts or {}) do
    if mount.Type ~= "tmpfs" then
      if not mount.Source then return denied("the mount at `" .. mount.Target .. "` has no Source") end
      if (mount.Type == "bind") ~= (string.sub(mount.Source, 1, 1) == "/") then
        return denied("the mount `" .. mount.Source .. "` is no " .. mount.Type)
      end
      local ok, failure = allow_mount(ctx, mount.Source, mount.ReadOnly, socket)
      if not ok then return nil, failure end
    end
  end
  return true
end

-- True, or nil and the first thing that the operator's settings do not allow. `socket` is the engine's own.
local function allow(ctx, resource, socket)
  local config = ctx.config
  for _, key in ipairs(GUARDED) do
    local value = resource[key]
    if value ~= nil and not is_harmless(key, value) and not contains(config.allow, key) then
      return denied(
        "the queue asks for " .. key .. ", which this agent's operator does not allow",
        "put \"" .. key .. "\" into `allow` of the settings of plugin " .. ctx.plugin)
    end
  end
  if not contains(config.networks, resource.NetworkMode) then
    return denied(
      "the queue asks for the network `" .. resource.NetworkMode .. "`; this agent's operator allows "
        .. table.concat(config.networks, ", "),
      "choose one of these, or put it into `networks` of the settings of plugin " .. ctx.plugin)
  end
  return allow_mounts(ctx, resource, socket)
end

local function sorted(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- NAME=value for each plain variable, and the secret ones apart: they are opened on their way out and not before.
local function variables(run, resource)
  local all, plain, secrets = {}, {}, {}
  for name, value in pairs(run.environment) do all[name] = value end
  for name, value in pairs(resource.Env or {}) do all[name] = value end
  for _, name in ipairs(sorted(all)) do
    local value = all[name]
    if type(value) == "table" then
      secrets[name] = value
    else
      plain[#plain + 1] = name .. "=" .. value
    end
  end
  return plain, next(secrets) and secrets or nil
end

local function labels(ctx, run, resource)
  local all = {}
  for name, value in pairs(resource.Labels or {}) do
    if string.sub(name, 1, 9) == "lunaport." then
      return denied("the label `" .. name .. "` is one of Lunaport's own", "give it another name")
    end
    all[name] = value
  end
  for _, word in ipairs { "run", "name", "entity", "project", "queue", "author" } do
    all["lunaport." .. word] = run[word]
  end
  all["lunaport.attempt"] = tostring(run.attempt)
  all["lunaport.owner"] = ctx.owner
  return all
end

local function mounts(resource)
  local all = {}
  for i, mount in ipairs(resource.Mounts or {}) do
    local options = mount.TmpfsOptions
    all[i] = {
      Type = mount.Type, Source = mount.Source, Target = mount.Target, ReadOnly = mount.ReadOnly,
      TmpfsOptions = options and {
        SizeBytes = options.SizeBytes and host.bytes(options.SizeBytes), Mode = options.Mode,
      },
    }
  end
  return all[1] and all
end

local function host_config(resource)
  local config = { LogConfig = LOGS }
  for _, key in ipairs(HOST) do config[key] = resource[key] end
  for _, key in ipairs(SIZES) do config[key] = resource[key] and host.bytes(resource[key]) end
  if resource.MemorySwap == -1 then config.MemorySwap = -1 end
  -- The engine's own answer to a limit without a word on swap is as much swap again.
  if config.Memory and not config.MemorySwap then config.MemorySwap = config.Memory end
  if resource.Cpus then
    if resource.NanoCpus then return denied("the queue gives both Cpus and NanoCpus", "leave one out") end
    config.NanoCpus = math.floor(resource.Cpus * 1e9 + 0.5)
  end
  config.Mounts = mounts(resource)
  local options = { "no-new-privileges" }
  for _, option in ipairs(resource.SecurityOpt or {}) do
    if string.sub(option, 1, 17) ~= "no-new-privileges" then
      options[#options + 1] = option
    elseif string.find(option, "false") then
      table.remove(options, 1)
    end
  end
  config.SecurityOpt = options[1] and options
  for i, request in ipairs(resource.DeviceRequests or {}) do
    config.DeviceRequests = config.DeviceRequests or {}
    if request.Count and request.DeviceIDs then
      return denied("a device request gives both Count and DeviceIDs", "leave one out")
    end
    config.DeviceRequests[i] = {
      Driver = request.Driver or "", DeviceIDs = request.DeviceIDs, Options = request.Options,
      Count = request.Count or not request.DeviceIDs and -1 or nil,
      Capabilities = request.Capabilities or { { "gpu" } },
    }
  end
  return config
end

-- The document of a run: what creates its container, and what is put in or done first.
function document.of(ctx, run, socket)
  local resource = run.resource
  if not run.image then
    return nil, fail {
      code = "config_invalid", message = "the run has no image",
      hint = "make the job from an image, or let the agent have a builder for this target",
    }
  end
  local ok, failure = allow(ctx, resource, socket)
  if not ok then return nil, failure end
  local create = { Image = run.image }
  for _, key in ipairs(CONTAINER) do create[key] = resource[key] end
  local secrets
  create.Env, secrets = variables(run, resource)
  create.Labels, failure = labels(ctx, run, resource)
  if not create.Labels then return nil, failure end
  create.HostConfig, failure = host_config(resource)
  if not create.HostConfig then return nil, failure end
  if run.entry_point[1] then create.Entrypoint = run.entry_point end
  if run.args[1] then create.Cmd = run.args end
  return { create = create, secrets = secrets, pull = resource.Pull, platform = resource.Platform }
end

return document
