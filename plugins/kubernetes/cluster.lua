-- What the cluster has of this agent's runs: their objects and pods, and events where these say more.

local api = require "api"
local pods = require "pods"

local cluster = {}

-- Warnings that say nothing of why a run waits.
local beside_the_point = { MissingClusterDNS = true, DNSConfigForming = true, FailedToRetrieveImagePullSecret = true }
-- Events are asked for one object at a time; of many runs that wait, so many are explained in one poll.
local explained_max = 10
-- Seconds for which an explanation is not asked for again.
local explained_seconds = 15

local explained = {}

function cluster.key(handle)
  return table.concat({ handle.api, handle.plural, handle.namespace, handle.name }, " ")
end

-- Several handles: everything with the agent's label, which is one request for each namespace and kind. One handle: its
-- own alone.
local function selector(ctx, handles)
  local token = handles[1] and handles[1].token
  for _, handle in ipairs(handles) do
    if handle.token ~= token then return "lunaport/owner=" .. ctx.owner end
  end
  return "lunaport/token=" .. tostring(token)
end

-- What is looked at of a Job. Of other kinds the queue says where to look.
local function slim(object)
  object.metadata.managedFields = nil
  if object.kind == "Job" and object.apiVersion == "batch/v1" then
    local spec = object.spec or {}
    object.spec = {
      backoffLimit = spec.backoffLimit, completions = spec.completions, parallelism = spec.parallelism,
      podFailurePolicy = spec.podFailurePolicy, suspend = spec.suspend,
    }
  end
  return object
end

-- Answers objects by `cluster.key`, and pods by token. `fresh`: nothing of what a watch has heard.
function cluster.observe(ctx, handles, fresh)
  local label = selector(ctx, handles)
  local objects, found, asked = {}, {}, {}
  for _, handle in ipairs(handles) do
    local folder = api.folder(handle)
    if not asked[folder] then
      asked[folder] = true
      local items, err = api.list(ctx, folder, label, function(object)
        -- Items of a list do not say of what kind they are.
        object.apiVersion, object.kind = handle.api, handle.kind
        return slim(object)
      end)
      if not items then return nil, err end
      for _, object in ipairs(items) do
        objects[cluster.key {
          api = handle.api, plural = handle.plural, namespace = handle.namespace, name = object.metadata.name,
        }] = object
      end
    end
    if not found[handle.namespace] then
      local err
      found[handle.namespace], err = pods.of(ctx, handle.namespace, label, fresh)
      if err then return nil, err end
    end
  end
  return { objects = objects, pods = found }
end

local function latest_warning(ctx, namespace, name)
  local body = api.call(ctx, {
    path = "/api/v1/namespaces/" .. namespace .. "/events",
    query = { fieldSelector = "involvedObject.name=" .. name .. ",type=Warning", limit = "50" },
  })
  local latest
  for _, event in ipairs(body and body.items or {}) do
    local time = event.lastTimestamp or event.eventTime or event.metadata.creationTimestamp or ""
    if not beside_the_point[event.reason] and (not latest or time >= latest.time) then
      latest = { time = time, text = event.message, reason = event.reason }
    end
  end
  return latest and latest.text and tostring(latest.reason) .. ": " .. latest.text
end

-- Adds to rows of waiting runs what their events say: `subjects` has the object's name by row.
function cluster.explain(ctx, rows, subjects, handles)
  local asked, now = 0, host.now()
  for key, entry in pairs(explained) do
    if now - entry.at > explained_seconds then explained[key] = nil end
  end
  for i, row in ipairs(rows) do
    local name = subjects[i]
    if name then
      local key = handles[i].namespace .. "/" .. name
      if not explained[key] and asked < explained_max then
        asked = asked + 1
        explained[key] = { at = now, text = latest_warning(ctx, handles[i].namespace, name) }
      end
      local text = explained[key] and explained[key].text
      if text then row.message = row.message .. ": " .. text end
    end
  end
end

return cluster
