-- Pods of this agent's runs: kept up to date by a watch while it stands, asked for otherwise.

local api = require "api"

local pods = {}

-- The server ends a watch after this time, and the host begins another.
local watch_seconds = 1800
-- A server that still lives sends a bookmark each minute; one that is silent for longer is gone.
local silence_seconds = 180
-- Seconds between two watches of one namespace.
local pause_seconds = 1
-- Namespaces that are watched each by itself; others are asked. Each takes one of the plugin's connections.
local watched_max = 20
-- Where the pods of all namespaces are.
local everywhere = "/api/v1/pods"

-- What watches have seen: pods by namespace and name, by where the watch looks.
local seen = {}
-- A watch that is cancelled where it waits must not leave behind what nobody keeps up to date.
local unseen = { __close = function(watch) seen[watch.path] = nil end }

-- What is looked at of a pod.
local function slim(pod)
  local meta, status = pod.metadata, pod.status or {}
  local containers = {}
  for i, container in ipairs(pod.spec and pod.spec.containers or {}) do containers[i] = { name = container.name } end
  return {
    metadata = {
      name = meta.name, namespace = meta.namespace, labels = meta.labels or {}, annotations = meta.annotations,
      creationTimestamp = meta.creationTimestamp, deletionTimestamp = meta.deletionTimestamp,
      deletionGracePeriodSeconds = meta.deletionGracePeriodSeconds,
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
  local watched = not fresh and (seen[everywhere] or seen[path])
  if watched then
    local list = {}
    for _, pod in pairs(watched) do
      if pod.metadata.namespace == namespace then list[#list + 1] = pod end
    end
    return by_token(list)
  end
  local list, err = api.list(ctx, path, label or selector(ctx), slim)
  if not list then return nil, err end
  return by_token(list)
end

local function key(pod)
  return pod.metadata.namespace .. "/" .. pod.metadata.name
end

-- One event of a watch, whose pods are `by_name`; false ends it.
local function take(by_name, line)
  local event = host.json.decode(line)
  if type(event) ~= "table" or event.type == "ERROR" then return false end
  if event.type == "BOOKMARK" or not event.object then return true end
  local pod = event.object
  if event.type == "DELETED" then
    by_name[key(pod)] = nil
  else
    by_name[key(pod)] = slim(pod)
  end
  host.wake()
  return true
end

local function follow(ctx, path)
  local list, version, status = api.list(ctx, path, selector(ctx), slim)
  if not list then return nil, version, status end
  local by_name = {}
  for _, pod in ipairs(list) do by_name[key(pod)] = pod end
  local query = {
    labelSelector = selector(ctx), watch = "true", allowWatchBookmarks = "true", resourceVersion = version,
    timeoutSeconds = tostring(watch_seconds),
  }
  local _ <close> = setmetatable({ path = path }, unseen)
  seen[path] = by_name
  -- What changed before the watch stood.
  host.wake()
  local ended, err, code = api.lines(ctx, { path = path, query = query, stall = silence_seconds }, function(line)
    return take(by_name, line)
  end)
  -- A version that is too old: the host begins anew, with a list.
  if not ended and code == 410 then return true end
  return ended, err, code
end

-- Hears of every change of this agent's pods, until a connection is lost. Several namespaces take one connection
-- where the agent may watch the whole cluster, else by one each.
function pods.watch(ctx)
  local namespaces = ctx.config.namespaces
  if #namespaces > 1 then
    local ended, err, code = follow(ctx, everywhere)
    if ended or code ~= 403 then return ended and true or nil, err end
  end
  local each = {}
  for i = 1, math.min(#namespaces, watched_max) do
    each[i] = function()
      while true do
        local ended, err = follow(ctx, api.pods(namespaces[i]))
        if not ended then return nil, err end
        host.sleep(pause_seconds)
      end
    end
  end
  return host.together(table.unpack(each))
end

return pods
