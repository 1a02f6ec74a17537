-- Where a run stands: from its Job or custom resource and its pods. Pure, so that what was seen once on a cluster can
-- be judged again.

local ending = require "ending"
local kinds = require "kinds"

local status = {}

-- The pod that tells best why it all failed: one that the cluster took away before one that failed, the last of these.
local function failed_pod(pods, wanted)
  local best
  for _, pod in ipairs(pods) do
    if pod.status and pod.status.phase == "Failed" then
      local row = ending.row(pod, wanted)
      if not best or best.state == "failed" then best = row end
    end
  end
  return best
end

local function failed(pods, wanted, reason, message)
  local row = failed_pod(pods, wanted) or { state = "failed" }
  row.native = reason or row.native
  if reason == "DeadlineExceeded" then
    row.state = "failed"
    row.message = "it took longer than the `activeDeadlineSeconds` of its Job"
  elseif not row.exit_code then
    row.message = row.message or message or reason
  end
  return row
end

-- What was stopped stays so, however it is asked: the order is written on the object.
local function stopped(signal, pods, wanted)
  for _, pod in ipairs(pods) do
    if not ending.is_over(pod) then return { state = "running", message = "is being stopped" } end
  end
  local row = failed_pod(pods, wanted) or { state = "failed" }
  row.state = "failed"
  if not row.exit_code then row.signal = row.signal or tonumber(signal) end
  row.native = "Stopped"
  return row
end

-- A run with pods that are not over.
local function living(pods, now, patience)
  local running, first, subject = 0, nil, nil
  for _, pod in ipairs(pods) do
    if not ending.is_over(pod) then
      local row, has_events = ending.waiting(pod, now, patience)
      if row.state == "failed" then return row end
      if row.state == "running" then running = running + 1 end
      if row.message and not first then
        first, subject = row, has_events and pod.metadata.name or nil
      end
    end
  end
  if running == 0 then return first or { state = "pending", message = "waits for its pods" }, subject end
  local row = { state = "running" }
  if first and first.state == "pending" then
    row.message = string.format("%d of %d pods run; another: %s", running, #pods, first.message)
  elseif first then
    row.message = first.message
  end
  return row, subject
end

local function unfinished(object, pods, now, patience)
  if object.spec and object.spec.suspend then
    local suspended = ending.condition(object, "Suspended")
    local text = suspended and suspended.message or "whoever manages the cluster's queues has not admitted it yet"
    return { state = "pending", message = "suspended: " .. text, native = "Suspended" }
  end
  local live = false
  for _, pod in ipairs(pods) do live = live or not ending.is_over(pod) end
  if live then return living(pods, now, patience) end
  -- All pods are over and nobody has said what that means yet: its controller will.
  if #pods > 0 then return { state = "running" } end
  return { state = "pending", message = "waits for its pods" }, object.metadata.name
end

-- A Job of one pod that is not tried again: as its pod ends, so does it.
local function is_plain(object)
  local spec = object.spec or {}
  return spec.backoffLimit == 0 and (spec.completions or 1) == 1 and (spec.parallelism or 1) <= 1
    and not spec.podFailurePolicy
end

local function of_job(object, pods, wanted, now, patience)
  local complete, broken = ending.condition(object, "Complete"), ending.condition(object, "Failed")
  if complete and complete.status == "True" then return { state = "succeeded", exit_code = 0, native = "Complete" } end
  local newest = is_plain(object) and pods[1]
  if newest and newest.status and newest.status.phase == "Succeeded" then
    return { state = "succeeded", exit_code = 0, native = "Succeeded" }
  end
  local order = kinds.note(object, "stop")
  if order then return stopped(order, pods, wanted) end
  if broken and broken.status == "True" then return failed(pods, wanted, broken.reason, broken.message) end
  if newest and newest.status and newest.status.phase == "Failed" and not newest.metadata.deletionTimestamp then
    return ending.row(newest, wanted)
  end
  return unfinished(object, pods, now, patience)
end

local function of_custom(object, pods, wanted, now, patience)
  local declared = host.json.decode(kinds.note(object, "status") or "{}") or {}
  local message = declared.message and kinds.value(object, declared.message)
  message = message ~= nil and tostring(message) or nil
  if kinds.holds(object, declared.succeeded) then return { state = "succeeded", exit_code = 0 } end
  local order = kinds.note(object, "stop")
  if order then return stopped(order, pods, wanted) end
  if kinds.holds(object, declared.preempted) then return { state = "preempted", message = message } end
  if kinds.holds(object, declared.failed) then
    local row = failed(pods, wanted, nil, message)
    row.message = row.message or message
    return row
  end
  if kinds.holds(object, declared.running) then return { state = "running" } end
  return unfinished(object, pods, now, patience)
end

-- The row of an object with its pods; the second answer names what has events that may say more.
function status.row(object, pods, now, patience)
  local wanted = kinds.note(object, "container")
  table.sort(pods, function(a, b)
    local one, other = a.metadata.creationTimestamp or "", b.metadata.creationTimestamp or ""
    return one > other or (one == other and a.metadata.name < b.metadata.name)
  end)
  local of = object.kind == "Job" and object.apiVersion == "batch/v1" and of_job or of_custom
  return of(object, pods, wanted, now, patience)
end

return status
