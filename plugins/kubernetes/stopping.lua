-- The end of a run that somebody asks for.

local api = require "api"
local ending = require "ending"
local kinds = require "kinds"
local logs = require "logs"
local pods = require "pods"
local status = require "status"

local stopping = {}

-- 0 would take a pod out of the books before its node has ended it.
local grace_min_seconds = 1
-- Looks at pods whose controller was told to end them, and seconds between two.
local looks, look_seconds = 30, 0.1
-- A call of the host takes two minutes at most; a longer grace goes on without being looked at.
local grace_seen_seconds = 100

-- Where a custom resource cannot be told to stop, it is deleted, and what the run came to is noted here.
local function stopped_file(handle)
  return "stopped/" .. handle.name
end

-- The row of a run whose object is gone, with the pods that are left of it.
function stopping.gone(handle, pods_of)
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

function stopping.forget(handle)
  host.files.remove(stopped_file(handle))
end

local function order(ctx, handle, object, signal)
  local declared = host.json.decode(kinds.note(object, "status") or "{}") or {}
  local patch
  if handle.api == "batch/v1" then
    -- The Job stays, with what became of it, and makes no further pods.
    patch = { spec = { parallelism = 0 } }
  elseif declared.stop then
    patch = kinds.patch(declared.stop.path, declared.stop.value == nil or declared.stop.value)
  else
    host.files.write(stopped_file(handle), tostring(signal))
    return api.remove(ctx, handle)
  end
  patch.metadata = { annotations = { ["lunaport/stop"] = tostring(signal) } }
  return api.call(ctx, { method = "PATCH", path = api.path(handle), patch = patch })
end

-- Pods of a run that are not over, as the server has them now; and whether all of them are being deleted.
local function living(ctx, handle)
  local found, err = pods.of(ctx, handle.namespace, "lunaport/token=" .. handle.token, true)
  if not found then return nil, err end
  local list, is_ending = {}, true
  for _, pod in ipairs(found[handle.token] or {}) do
    if not ending.is_over(pod) then
      list[#list + 1] = pod
      is_ending = is_ending and pod.metadata.deletionTimestamp ~= nil
    end
  end
  return list, nil, is_ending
end

-- Deletes what has longer than `grace` seconds left.
local function delete(ctx, handle, list, grace)
  for _, pod in ipairs(list) do
    local given = pod.metadata.deletionTimestamp and pod.metadata.deletionGracePeriodSeconds
    if not given or given > grace then
      local query, path = { gracePeriodSeconds = tostring(grace) }, api.pods(handle.namespace, pod.metadata.name)
      local ok, err, code = api.call(ctx, { method = "DELETE", path = path, query = query })
      if not ok and code ~= 404 then return nil, err end
    end
  end
  return true
end

-- Asks for the run's end, and listens to its last words.
function stopping.stop(ctx, handle, how, patience)
  local object, err, code = api.call(ctx, { path = api.path(handle) })
  if not object then
    if code == 404 then return true end
    return nil, err
  end
  local all
  all, err = pods.of(ctx, handle.namespace, "lunaport/token=" .. handle.token, true)
  if not all then return nil, err end
  all = all[handle.token] or {}
  local state = status.row(object, all, host.now(), patience).state
  if state ~= "pending" and state ~= "running" then return true end
  local speaking = {}
  for _, pod in ipairs(all) do
    if pod.status and pod.status.phase == "Running" then speaking[#speaking + 1] = pod end
  end
  local _ <close> = logs.hold(handle)
  local ok
  ok, err = order(ctx, handle, object, how.grace > 0 and 15 or 9)
  if not ok then return nil, err end
  -- Its controller ends the pods. One that we delete before it has heard the order it would make anew, and for a moment
  -- the program would run twice.
  local list, is_ending
  for _ = 1, looks do
    list, err, is_ending = living(ctx, handle)
    if not list then return nil, err end
    if is_ending then break end
    host.sleep(look_seconds)
  end
  ok, err = delete(ctx, handle, list, math.max(grace_min_seconds, math.ceil(how.grace)))
  if not ok then return nil, err end
  logs.keep(ctx, handle, speaking, math.min(how.grace, grace_seen_seconds))
  return true
end

return stopping
