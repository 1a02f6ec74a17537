-- Images built by kaniko in a Job of a Kubernetes cluster. The Job is named after what is built: whoever wants the same
-- image waits for the same Job, also an agent that comes back to it.

local access = require "kubernetes/access"
local api = require "kubernetes/api"
local context = require "docker-build/context"
local logs = require "kubernetes/logs"
local manifest = require "manifest"
local status = require "kubernetes/status"

local builder = {}

-- Seconds between looks at a build.
local LOOK = 1
-- Seconds for reading a part of the packed source.
local READING = 60

function builder.probe(ctx)
  local connection, err = access.connection(ctx)
  if not connection then
    return { health = err.code == "not_found" and "undetected" or "unhealthy", detail = err.message }
  end
  if ctx.config.repository == "" then
    return { health = "undetected", detail = "no `repository` to push to is set in the settings of plugin kaniko" }
  end
  local list
  list, err = api.call(ctx, { path = "/apis/batch/v1/namespaces/" .. ctx.config.namespace .. "/jobs",
    query = { limit = "1" }, timeout = 10 })
  if not list then return { health = "unhealthy", detail = err.message } end
  return { health = "healthy", detail = "kaniko in namespace " .. ctx.config.namespace .. ", " .. connection.origin }
end

function builder.key(ctx, build)
  return context.key(ctx.config, build)
end

-- Packs the source. Answers where the Dockerfile is in it, and the packed bytes in parts, as base64.
local function pack(ctx, build, key)
  local config = ctx.config
  local own, file = context.pack(config, build, key, "context.tar.gz", "-czf")
  if not own then return nil, file end
  local size, limit = host.files.size(file), host.bytes(config.context_limit)
  if size > limit then
    return nil, fail {
      code = "config_invalid",
      message = string.format("the packed source has %d bytes, and this builder takes %d", size, limit),
      hint = "leave files out of the job with .lunaportignore, raise `context_limit` (16Mi at most), or build with"
        .. " docker-build, which takes any size",
    }
  end
  local parts = {}
  for offset = 0, size - 1, manifest.part_bytes do
    local out, err = host.exec {
      "tail", "-c", "+" .. offset + 1, host.files.path(file), limit = manifest.part_bytes, cut = true,
      timeout = READING,
    }
    if not out then return nil, err end
    parts[#parts + 1] = host.base64.encode(out.stdout)
  end
  return own, parts
end

local function handle_of(config, key)
  local name = manifest.name(key)
  return { api = "batch/v1", kind = "Job", plural = "jobs", namespace = config.namespace, name = name, token = name }
end

-- Makes the Job begin: its source is there.
local function begin(ctx, handle, key, parts, job)
  for index, part in ipairs(parts) do
    local made, err, code = api.call(ctx, {
      method = "POST",
      path = "/api/v1/namespaces/" .. handle.namespace .. "/secrets",
      json = manifest.part(ctx.config, key, index, part, job),
      timeout = 60,
    })
    if not made and code ~= 409 then return nil, err end
  end
  return api.call(ctx, {
    method = "PATCH",
    path = api.path(handle),
    patch = {
      metadata = { annotations = { ["lunaport/incomplete"] = host.json.null } }, spec = { parallelism = 1 },
    },
  })
end

-- The Job of this build: a new one, or the one that is there.
local function start(ctx, build, key, handle, image)
  local job, err, code = api.call(ctx, { path = api.path(handle) })
  if not job and code ~= 404 then return nil, err end
  if job and not (job.metadata.annotations or {})["lunaport/incomplete"] then
    host.log("waiting for Job " .. handle.name .. ", which builds this image already\n")
    return true
  end
  local dockerfile, parts = pack(ctx, build, key)
  host.files.remove(key)
  if not dockerfile then return nil, parts end
  if not job then
    job, err, code = api.call(ctx, {
      method = "POST",
      path = api.folder(handle),
      json = manifest.job(ctx.config, image, key, dockerfile, #parts),
    })
    if code == 409 then job, err = api.call(ctx, { path = api.path(handle) }) end
    if not job then return nil, err end
  end
  host.log("building " .. image .. " in Job " .. handle.name .. "\n")
  return begin(ctx, handle, key, parts, job)
end

-- What kaniko pushed, as it wrote to its termination message.
local function digest(pods)
  for _, pod in ipairs(pods) do
    for _, container in ipairs(pod.status and pod.status.containerStatuses or {}) do
      local terminated = container.state and container.state.terminated
      local found = terminated and string.match(terminated.message or "", "^%s*(sha256:%x+)%s*$")
      if found and #found == 71 then return found end
    end
  end
end

-- Follows the build to its end; answers the last row and the digest.
local function follow(ctx, handle)
  local patience, cursor, said = host.seconds(ctx.config.patience), nil, nil
  while true do
    local job, err, code = api.call(ctx, { path = api.path(handle) })
    if not job and code == 404 then
      return { state = "lost", message = "Job `" .. handle.name .. "` was deleted by somebody" }
    end
    if not job then return nil, err end
    local pods
    pods, err = api.list(ctx, api.pods(handle.namespace), "lunaport/token=" .. handle.token)
    if not pods then return nil, err end
    local row = status.row(job, pods, host.now(), patience)
    if row.state == "pending" and row.message ~= said then
      said = row.message
      host.log(said .. "\n")
    end
    local chunk = logs.read(ctx, handle, cursor, patience)
    if chunk then
      cursor = chunk.cursor
      if chunk.bytes ~= "" then host.log(chunk.bytes) end
    end
    local is_over = row.state ~= "pending" and row.state ~= "running"
    if is_over and (not chunk or chunk.done or row.state == "failed" and #pods == 0) then return row, digest(pods) end
    if not chunk or chunk.bytes == "" then host.sleep(LOOK) end
  end
end

function builder.build(ctx, build, key)
  local config = ctx.config
  if config.repository == "" then
    return nil, fail {
      code = "config_invalid",
      message = "images must be pushed, and the builder has no repository",
      hint = "set `repository` in the settings of plugin " .. ctx.plugin,
    }
  end
  local pushed = "pushed/" .. key
  local known = host.files.read(pushed)
  if known then return { image = known } end
  local handle, image = handle_of(config, key), context.image(config.repository, build, key)
  local ok, err = start(ctx, build, key, handle, image)
  if not ok then return nil, err end
  local row, pushed_digest = follow(ctx, handle)
  if not row then return nil, pushed_digest end
  ok, err = api.remove(ctx, handle)
  if not ok then return nil, err end
  logs.forget(handle)
  if row.state ~= "succeeded" then
    local why = row.message or (row.exit_code and "exit code " .. row.exit_code) or row.state
    return nil, fail {
      code = "target_error",
      message = "the image cannot be built: " .. why,
      hint = "the build's output is at the start of the run's log",
      retry = (row.state == "lost" or row.state == "preempted") and "safe" or "never",
    }
  end
  if pushed_digest then image = string.gsub(image, ":[^:/]*$", "") .. "@" .. pushed_digest end
  host.files.write(pushed, image)
  return { image = image }
end

return builder
