-- Kubernetes: a run is a Job, or a custom resource that a queue gives. All that is known of it lies in the cluster,
-- under a name made from the attempt's token, so that it is found again however the agent ended.

local api = require "api"
local cluster = require "cluster"
local document = require "document"
local kinds = require "kinds"
local logs = require "logs"
local pods = require "pods"
local probe = require "probe"
local status = require "status"
local stopping = require "stopping"
local usage = require "usage"

local driver = {}

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
  if not kinds.note(object, "incomplete") then return handle end
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
    if err.retry ~= "safe" and err.retry ~= "unknown_effect" then api.remove(ctx, handle) end
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
      if object and label(object, "token") == token and not kinds.note(object, "incomplete") then return handle end
    end
  end
  return nil
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
      rows[i] = stopping.gone(handle, pods_of)
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

function driver.stop(ctx, handle, how)
  return stopping.stop(ctx, handle, how, patience(ctx))
end

function driver.forget(ctx, handle)
  local ok, err = api.remove(ctx, handle)
  if not ok then return nil, err end
  stopping.forget(handle)
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
