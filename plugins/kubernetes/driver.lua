-- Kubernetes: a run is a Job, or a custom resource that a queue gives. All that is known of it lies in the cluster,
-- under a name made from the attempt's token, so that it is found again however the agent ended.

local api = require "api"
local cluster = require "cluster"
local document = require "document"
local ending = require "ending"
local kinds = require "kinds"
local logs = require "logs"
local pods = require "pods"
local probe = require "probe"
local status = require "status"
local usage = require "usage"

local driver = {}

-- 0 would take a pod out of the books before its node has ended it.
local grace_min_seconds = 1
-- A call of the host takes two minutes at most; a longer grace goes on without being looked at.
local grace_seen_seconds = 100

function driver.probe(ctx)
  return probe.run(ctx)
end

function driver.plan(ctx, run)
  return document.plan(ctx.config, run)
end

local function handle_of(kind, namespace, token)
  return {
    api = kind.api, kind = kind.kind, plural = kind.plural, namespace = namespace, name = document.name(token),
    token = token,
  }
end

local function label(object, name)
  return object.metadata.labels and object.metadata.labels["lunaport/" .. name]
end

local function note(object, name)
  return object.metadata.annotations and object.metadata.annotations["lunaport/" .. name]
end

local function remove(ctx, handle)
  local query = { propagationPolicy = "Background" }
  local gone, err, code = api.call(ctx, { method = "DELETE", path = api.path(handle), query = query })
  if not gone and code ~= 404 then return nil, err end
  return true
end

-- Makes the object, or gives the one that an earlier try has made.
local function create(ctx, handle, whole)
  local object, err, code = api.call(ctx, { method = "POST", path = api.folder(handle), json = whole })
  if object or code ~= 409 then return object, err end
  object, err = api.call(ctx, { path = api.path(handle) })
  if not object then return nil, err end
  if label(object, "token") ~= handle.token then
    return nil, fail {
      code = "conflict",
      message = "namespace `" .. handle.namespace .. "` has a " .. handle.kind .. " `" .. handle.name
        .. "` that is none of this run",
    }
  end
  return object
end

-- The run's Secret belongs to its object from the first, so that nothing but the object has to be removed. Until it is
-- there, the object waits, marked as incomplete: a Job without pods, so that none begins without its secrets.
local function start_with_secrets(ctx, handle, whole, secrets)
  local parallelism = whole.spec.parallelism or 1
  whole.metadata.annotations["lunaport/incomplete"] = "true"
  if handle.api == "batch/v1" then whole.spec.parallelism = 0 end
  local object, err = create(ctx, handle, whole)
  if not object then return nil, err end
  if not note(object, "incomplete") then return handle end
  local made, code
  made, err, code = api.call(ctx, {
    method = "POST",
    path = "/api/v1/namespaces/" .. handle.namespace .. "/secrets",
    json = {
      apiVersion = "v1",
      kind = "Secret",
      metadata = {
        name = handle.name,
        labels = whole.metadata.labels,
        ownerReferences = { {
          apiVersion = handle.api, kind = handle.kind, name = handle.name, uid = object.metadata.uid,
        } },
      },
      stringData = secrets,
    },
  })
  if not made and code ~= 409 then
    if err.retry ~= "safe" and err.retry ~= "unknown_effect" then remove(ctx, handle) end
    return nil, err
  end
  local patch = { metadata = { annotations = { ["lunaport/incomplete"] = host.json.null } } }
  if handle.api == "batch/v1" then patch.spec = { parallelism = parallelism } end
  made, err = api.call(ctx, { method = "PATCH", path = api.path(handle), patch = patch })
  if not made then return nil, err end
  return handle
end

function driver.start(ctx, spec, token)
  local whole = document.finish(spec, token, ctx.owner)
  local kind, err = kinds.find(ctx.config, whole.apiVersion, whole.kind)
  if not kind then return nil, err end
  local handle = handle_of(kind, whole.metadata.namespace, token)
  if spec.secrets then return start_with_secrets(ctx, handle, whole, spec.secrets) end
  local object
  object, err = create(ctx, handle, whole)
  return object and handle, err
end

function driver.find(ctx, token)
  for _, kind in ipairs(kinds.all(ctx.config)) do
    for _, namespace in ipairs(ctx.config.namespaces) do
      local handle = handle_of(kind, namespace, token)
      local object, err, code = api.call(ctx, { path = api.path(handle) })
      if not object and code ~= 404 then return nil, err end
      if object and label(object, "token") == token and not note(object, "incomplete") then return handle end
    end
  end
  return nil
end

-- Where a custom resource cannot be told to stop, it is deleted, and what the run came to is noted here.
local function stopped_file(handle)
  return "stopped/" .. handle.name
end

local function gone(handle, pods_of)
  local signal = host.files.read(stopped_file(handle))
  if signal then
    for _, pod in ipairs(pods_of) do
      if not ending.is_over(pod) then return { state = "running", message = "is being stopped" } end
    end
    return { state = "failed", signal = tonumber(signal), native = "Stopped" }
  end
  return {
    state = "lost",
    message = handle.kind .. " `" .. handle.name .. "` is no longer in namespace `" .. handle.namespace
      .. "`: somebody has deleted it",
  }
end

local function patience(ctx)
  return host.seconds(ctx.config.patience)
end

local function look(ctx, handles, fresh)
  local seen, err = cluster.observe(ctx, handles, fresh)
  if not seen then return nil, err end
  local rows, subjects, now, has_ended = {}, {}, host.now(), false
  for i, handle in ipairs(handles) do
    local object = seen.objects[cluster.key(handle)]
    local pods_of = seen.pods[handle.namespace][handle.token] or {}
    if object then
      rows[i], subjects[i] = status.row(object, pods_of, now, patience(ctx))
      if logs.is_keeping(handle) then rows[i] = { state = "running", message = "is being stopped" } end
    else
      rows[i] = gone(handle, pods_of)
    end
    has_ended = has_ended or (rows[i].state ~= "pending" and rows[i].state ~= "running")
  end
  return rows, subjects, has_ended
end

function driver.poll(ctx, handles)
  local rows, subjects, has_ended = look(ctx, handles, false)
  -- How a run ended is told once: from what the server has now, which a watch may not have heard yet.
  if rows and has_ended then rows, subjects = look(ctx, handles, true) end
  if not rows then return nil, subjects end
  cluster.explain(ctx, rows, subjects, handles)
  return rows
end

function driver.watch(ctx)
  return pods.watch(ctx)
end

local function order(ctx, handle, object, signal)
  local declared = host.json.decode(note(object, "status") or "{}") or {}
  local patch
  if handle.api == "batch/v1" then
    -- The Job stays, with what became of it, and makes no further pods.
    patch = { spec = { parallelism = 0 } }
  elseif declared.stop then
    patch = kinds.patch(declared.stop.path, declared.stop.value == nil or declared.stop.value)
  else
    host.files.write(stopped_file(handle), tostring(signal))
    return remove(ctx, handle)
  end
  patch.metadata = { annotations = { ["lunaport/stop"] = tostring(signal) } }
  return api.call(ctx, { method = "PATCH", path = api.path(handle), patch = patch })
end

function driver.stop(ctx, handle, how)
  local object, err, code = api.call(ctx, { path = api.path(handle) })
  if not object then
    if code == 404 then return true end
    return nil, err
  end
  local all
  all, err = pods.of(ctx, handle.namespace, "lunaport/token=" .. handle.token, true)
  if not all then return nil, err end
  all = all[handle.token] or {}
  local state = status.row(object, all, host.now(), patience(ctx)).state
  if state ~= "pending" and state ~= "running" then return true end
  local ok
  ok, err = order(ctx, handle, object, how.grace > 0 and 15 or 9)
  if not ok then return nil, err end
  local living = {}
  for _, pod in ipairs(all) do
    local phase = pod.status and pod.status.phase
    if phase == "Running" then living[#living + 1] = pod end
    if phase ~= "Succeeded" and phase ~= "Failed" then
      local query = { gracePeriodSeconds = tostring(math.max(grace_min_seconds, math.ceil(how.grace))) }
      local path = api.pods(handle.namespace, pod.metadata.name)
      ok, err, code = api.call(ctx, { method = "DELETE", path = path, query = query })
      if not ok and code ~= 404 then return nil, err end
    end
  end
  logs.keep(ctx, handle, living, math.min(how.grace, grace_seen_seconds))
  return true
end

function driver.forget(ctx, handle)
  local ok, err = remove(ctx, handle)
  if not ok then return nil, err end
  host.files.remove(stopped_file(handle))
  return logs.forget(handle)
end

function driver.logs(ctx, handle, cursor)
  return logs.read(ctx, handle, cursor, patience(ctx))
end

function driver.stats(ctx, handles)
  local sums, err = usage.by_token(ctx, handles)
  if not sums then return nil, err end
  local rows = {}
  for i, handle in ipairs(handles) do rows[i] = sums[handle.token] or false end
  return rows
end

function driver.list(ctx)
  local found = {}
  for _, kind in ipairs(kinds.all(ctx.config)) do
    for _, namespace in ipairs(ctx.config.namespaces) do
      local place = api.folder { api = kind.api, namespace = namespace, plural = kind.plural }
      local items, err = api.list(ctx, place, "lunaport/owner=" .. ctx.owner)
      if not items then return nil, err end
      for _, object in ipairs(items) do
        local token = label(object, "token")
        if token then found[#found + 1] = { token = token, handle = handle_of(kind, namespace, token) } end
      end
    end
  end
  return found
end

return driver
