-- The output of a run: of its container in each of its pods.
--
-- A cursor is { NAME OF POD = { p = position in the log, r = restarts before it, e = read to its end } }.

local api = require "api"
local document = require "document"
local ending = require "ending"
local pods = require "pods"
local reader = require "reader"
local status = require "status"

local logs = {}

-- Bytes of one answer.
local chunk_bytes = 256 * 1024
-- How long a node that does not answer is asked for the log of what has ended there.
local node_patience_seconds = 20
-- The last words of what is being stopped: so many seconds before the order, and so many bytes, are kept.
local last_seconds = 60
local last_bytes = 512 * 1024
-- Pods whose last words are kept; each takes one of the plugin's connections.
local kept_max = 16
-- By name of the pod: since when its node does not answer.
local silent = {}
-- By name: how many calls keep the last words of a run now.
local keeping = {}
local held = {
  __close = function(mark)
    local count = keeping[mark.name]
    keeping[mark.name] = count > 1 and count - 1 or nil
  end,
}
-- How long after its grace a container is waited for.
local stop_patience_seconds = 10

local function last_file(handle, pod)
  return "last/" .. handle.name .. "/" .. pod
end

local function container_of(pod)
  local annotations = pod.metadata.annotations or {}
  local container = document.container(pod.spec, annotations["lunaport/container"])
  for _, state in ipairs(pod.status and pod.status.containerStatuses or {}) do
    if container and state.name == container.name then return container.name, state end
  end
  return container and container.name
end

-- Whether a node that has not answered is not asked again.
local function is_given_up(pod)
  if pod.status and pod.status.reason == "NodeLost" then return true end
  local name, now = pod.metadata.name, host.now()
  silent[name] = silent[name] or now
  return ending.is_over(pod) and now - silent[name] > node_patience_seconds
end

-- Gives the log of a container in pieces; `lost` says that the node has none, not yet or no more.
local function source(ctx, handle, pod, query)
  local self = { lost = false }
  function self.give(take)
    local path = api.pods(handle.namespace, pod.metadata.name) .. "/log"
    local answer, err, code = api.stream(ctx, { path = path, query = query, timeout = 60 }, take)
    if answer then
      silent[pod.metadata.name] = nil
      return answer
    end
    local is_node = code and code >= 500 and is_given_up(pod)
    if code ~= 400 and code ~= 404 and not is_node then return nil, err, code end
    self.lost = true
    return true
  end
  return self
end

local function query_of(name, position, previous)
  local query = { container = name, timestamps = "true", previous = previous and "true" or nil }
  local time = position and position.t and host.time.parse(position.t)
  -- Entries of two outputs may stand a moment out of order in a log: a second more is asked for.
  if time then query.sinceTime = host.time.format(math.floor(time) - 1) end
  return query
end

-- What `logs.keep` has kept of a pod whose log is gone.
local function read_kept(handle, name, place, budget)
  -- Not written down yet: what is not there now is not the end.
  if logs.is_keeping(handle) then return "", place end
  local text = host.files.read(last_file(handle, name)) or ""
  local bytes, position, is_all = reader.take(function(take) return take(text) ~= nil end, place.p, budget)
  return bytes, { p = position, r = place.r, e = is_all or nil }
end

-- What one pod has after the cursor's place; answers bytes, the new place, and whether it has not begun to speak.
local function read_pod(ctx, handle, pod, place, budget)
  local name, state = container_of(pod)
  if not name then return "", place, true end
  local restarts = state and state.restartCount or 0
  local is_over = state and state.state and state.state.terminated ~= nil
  local has_begun = is_over or (state and state.state and state.state.running ~= nil) or restarts > 0
  if not has_begun then
    -- Nothing to say: not yet, or never, as of a pod whose image cannot be pulled.
    return "", nil, true
  end
  place = place or { r = math.max(0, restarts - 1) }
  -- Of a container that was started again the one before can be read, and no earlier one.
  local previous = place.r < restarts
  local from = source(ctx, handle, pod, query_of(name, place.p, previous))
  local bytes, position, is_all, is_cut = reader.take(from.give, place.p, budget)
  if not bytes then return nil, position end
  if pod.metadata.deletionTimestamp and bytes == "" and (from.lost or is_cut) then
    return read_kept(handle, pod.metadata.name, place, budget)
  end
  if is_all and previous then return bytes, { r = restarts } end
  return bytes, { p = position, r = place.r, e = is_all and is_over or nil }
end

local function prefixed(bytes, name)
  return (string.gsub(bytes, "[^\n]+\n?", function(line) return "[" .. name .. "] " .. line end))
end

local function by_age(a, b)
  local one, other = a.metadata.creationTimestamp or "", b.metadata.creationTimestamp or ""
  return one < other or (one == other and a.metadata.name < b.metadata.name)
end

-- Whether the run is over, so that no further pod will come.
local function is_over(ctx, handle, patience)
  local object, err, code = api.call(ctx, { path = api.path(handle) })
  if not object then return code == 404 or nil, err end
  local found
  found, err = pods.of(ctx, handle.namespace, "lunaport/token=" .. handle.token)
  if not found then return nil, err end
  local state = status.row(object, found[handle.token] or {}, host.now(), patience).state
  return state ~= "pending" and state ~= "running" and state ~= "unknown"
end

-- The pods that the cursor knows and that are gone, with what was kept of them.
local function gone(handle, cursor, present)
  local names = {}
  for name in pairs(cursor) do names[name] = not present[name] or nil end
  for _, name in ipairs(host.files.list("last/" .. handle.name)) do names[name] = not present[name] or nil end
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return list
end

function logs.read(ctx, handle, cursor, patience)
  cursor = cursor or {}
  local found, err = pods.of(ctx, handle.namespace, "lunaport/token=" .. handle.token)
  if not found then return nil, err end
  local there = found[handle.token] or {}
  table.sort(there, by_age)
  local after, parts, present, is_whole = {}, {}, {}, true
  local room, count = chunk_bytes, #there
  for _, pod in ipairs(there) do present[pod.metadata.name] = true end
  local old = gone(handle, cursor, present)
  count = count + #old
  local function add(name, bytes, place, is_mute)
    if count > 1 then bytes = prefixed(bytes, name) end
    parts[#parts + 1], after[name] = bytes, place
    room = room - #bytes
    is_whole = is_whole and (is_mute or place ~= nil and place.e == true)
  end
  for _, name in ipairs(old) do
    local place = cursor[name] or { r = 0 }
    if place.e or room <= 0 then add(name, "", place) else add(name, read_kept(handle, name, place, room)) end
  end
  for _, pod in ipairs(there) do
    local name = pod.metadata.name
    local place = cursor[name]
    if (place and place.e) or room <= 0 then
      add(name, "", place)
    else
      -- Each pod its share, so that one that prints much does not keep the others waiting.
      local bytes, next_place, is_mute = read_pod(ctx, handle, pod, place, math.max(4096, room // 2))
      if not bytes then return nil, next_place end
      add(name, bytes, next_place, is_mute)
    end
  end
  local bytes = table.concat(parts)
  local done = false
  if is_whole and bytes == "" then
    done, err = is_over(ctx, handle, patience)
    if done == nil then return nil, err end
  end
  return { bytes = bytes, cursor = after, done = done }
end

-- Whether a run's last words are still being kept: until then it is not over, though its pod has ended.
function logs.is_keeping(handle)
  return keeping[handle.name] ~= nil
end

local function keep_pod(ctx, handle, pod, grace)
  local parts, size = {}, 0
  local query = {
    container = container_of(pod), timestamps = "true", follow = "true", sinceSeconds = tostring(last_seconds),
  }
  local path = api.pods(handle.namespace, pod.metadata.name) .. "/log"
  local request = { path = path, query = query, timeout = grace + stop_patience_seconds }
  -- However it ends: what was heard until then is what there is.
  api.stream(ctx, request, function(piece)
    parts[#parts + 1], size = piece, size + #piece
    while size > last_bytes do size = size - #table.remove(parts, 1) end
  end)
  host.files.write(last_file(handle, pod.metadata.name), table.concat(parts))
end

-- To be closed when the last words of a run are kept: from before its pods are told to end, until `logs.keep` has
-- written them down. Closed also where the call is cancelled while it waits.
function logs.hold(handle)
  keeping[handle.name] = (keeping[handle.name] or 0) + 1
  return setmetatable({ name = handle.name }, held)
end

-- Follows what is being stopped to its end, for once its pods are gone so are their logs.
function logs.keep(ctx, handle, living, grace)
  local each = {}
  for i = 1, math.min(#living, kept_max) do
    each[i] = function() keep_pod(ctx, handle, living[i], grace) end
  end
  host.together(table.unpack(each))
end

function logs.forget(handle)
  for name in pairs(silent) do
    if string.sub(name, 1, #handle.name + 1) == handle.name .. "-" then silent[name] = nil end
  end
  return host.files.remove("last/" .. handle.name)
end

return logs
