-- Pods of this agent's runs: kept up to date by one watch while it stands, asked for otherwise.

local api = require "api"

local pods = {}

-- The server ends a watch after this time, and the host begins another.
local watch_seconds = 1800
-- A server that still lives sends a bookmark each minute; one that is silent for longer is gone.
local silence_seconds = 180

-- What the watch has seen: { path = where it looks, by_name = pods by namespace and name }; nil while there is none.
local seen
-- A watch that is cancelled where it waits must not leave behind what nobody keeps up to date.
local unseen = { __close = function() seen = nil end }

-- What is looked at of a pod. The whole of it, thousands of times, would fill the plugin's memory.
local function slim(pod)
  local meta, status = pod.metadata, pod.status or {}
  local containers = {}
  for i, container in ipairs(pod.spec and pod.spec.containers or {}) do containers[i] = { name = container.name } end
  return {
    metadata = {
      name = meta.name, namespace = meta.namespace, labels = meta.labels or {}, annotations = meta.annotations,
      creationTimestamp = meta.creationTimestamp, deletionTimestamp = meta.deletionTimestamp,
    },
    spec = { containers = containers },
    status = {
      phase = status.phase, reason = status.reason, message = status.message, startTime = status.startTime,
      conditions = status.conditions, initContainerStatuses = status.initContainerStatuses,
      containerStatuses = status.containerStatuses,
    },
  }
end

local function selector(ctx)
  return "lunaport/owner=" .. ctx.owner
end

local function by_token(list)
  local found = {}
  for _, pod in pairs(list) do
    local token = pod.metadata.labels["lunaport/token"]
    if token then
      found[token] = found[token] or {}
      table.insert(found[token], pod)
    end
  end
  return found
end

-- Pods of a namespace by token. `fresh`: as the server has them now, not as the watch has heard.
function pods.of(ctx, namespace, label, fresh)
  local path = api.pods(namespace)
  if seen and not fresh and (seen.path == path or seen.path == "/api/v1/pods") then
    local list = {}
    for _, pod in pairs(seen.by_name) do
      if pod.metadata.namespace == namespace then list[#list + 1] = pod end
    end
    return by_token(list)
  end
  local list, err = api.list(ctx, path, label or selector(ctx))
  if not list then return nil, err end
  return by_token(list)
end

local function key(pod)
  return pod.metadata.namespace .. "/" .. pod.metadata.name
end

-- One event of the watch; false ends it.
local function take(line)
  local event = host.json.decode(line)
  if type(event) ~= "table" or event.type == "ERROR" then return false end
  if event.type == "BOOKMARK" or not event.object then return true end
  local pod = event.object
  if event.type == "DELETED" then
    seen.by_name[key(pod)] = nil
  else
    seen.by_name[key(pod)] = slim(pod)
  end
  host.wake()
  return true
end

local function follow(ctx, path)
  local list, version, status = api.list(ctx, path, selector(ctx))
  if not list then return nil, version, status end
  local by_name = {}
  for _, pod in ipairs(list) do by_name[key(pod)] = slim(pod) end
  local query = {
    labelSelector = selector(ctx), watch = "true", allowWatchBookmarks = "true", resourceVersion = version,
    timeoutSeconds = tostring(watch_seconds),
  }
  local _ <close> = setmetatable({}, unseen)
  seen = { path = path, by_name = by_name }
  -- What changed before the watch stood.
  host.wake()
  local ended, err, code = api.lines(ctx, { path = path, query = query, stall = silence_seconds }, take)
  -- A version that is too old: the host begins anew, with a list.
  if not ended and code == 410 then return true end
  return ended, err, code
end

-- Hears of every change of this agent's pods, until the connection ends. Of several namespaces all are heard where the
-- agent may watch the whole cluster, else the first.
function pods.watch(ctx)
  local namespaces = ctx.config.namespaces
  if #namespaces > 1 then
    local ended, err, code = follow(ctx, "/api/v1/pods")
    if ended or code ~= 403 then return ended, err end
  end
  local ended, err = follow(ctx, api.pods(namespaces[1]))
  return ended and true or nil, err
end

return pods
