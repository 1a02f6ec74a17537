-- How one pod ended, or why it has not begun: from its own status, in words for people.

local document = require "document"

local ending = {}

-- Reasons of a pod's end that are not the program's: the cluster took its place away.
local taken_away = {
  Evicted = true, Preempting = true, Preempted = true, Shutdown = true, NodeShutdown = true, Terminated = true,
  PreemptionByScheduler = true, EvictionByEvictionAPI = true, TerminationByKubelet = true,
}
-- Its node is gone, and nobody knows what became of the program.
local node_gone = { NodeLost = true, DeletionByPodGC = true, DeletionByTaintManager = true }

-- Waiting for these may be in vain; the kubelet itself tries for ever.
local stuck = {
  ErrImagePull = "cannot pull the image",
  ImagePullBackOff = "cannot pull the image",
  ErrImageNeverPull = "the image is not on the node, and may not be pulled",
  ImageInspectError = "cannot look into the image",
  RegistryUnavailable = "cannot reach the image's registry",
  InvalidImageName = "the image's name is invalid",
  CreateContainerConfigError = "cannot make the container",
  CreateContainerError = "cannot make the container",
  RunContainerError = "cannot start the container",
}
local hopeless = { InvalidImageName = true }

function ending.condition(object, type)
  for _, condition in ipairs(object.status and object.status.conditions or {}) do
    if condition.type == type then return condition end
  end
end

local function holds(pod, type)
  local condition = ending.condition(pod, type)
  return condition and condition.status == "True" and condition or nil
end

function ending.is_over(pod)
  local phase = pod.status and pod.status.phase
  return phase == "Succeeded" or phase == "Failed"
end

local function status_of(pod, wanted)
  local container = document.container(pod.spec or {}, wanted)
  for _, status in ipairs(pod.status and pod.status.containerStatuses or {}) do
    if container and status.name == container.name then return status end
  end
end

local function code_row(terminated, row)
  row.exit_code = terminated.exitCode
  row.native = terminated.reason
  if terminated.reason == "OOMKilled" then
    row.out_of_memory = true
    row.message = "a container was killed at its memory limit"
  elseif terminated.message and terminated.message ~= "" then
    row.message = terminated.message
  end
  local signal = terminated.signal
  if (not signal or signal == 0) and row.exit_code > 128 and row.exit_code < 160 then signal = row.exit_code - 128 end
  row.signal = signal ~= 0 and signal or nil
  return row
end

-- The row of a pod that has failed: exit code, signal, memory; or that the cluster took it away.
function ending.row(pod, wanted)
  local status = pod.status or {}
  local disrupted = holds(pod, "DisruptionTarget")
  local reason = disrupted and disrupted.reason or status.reason
  local message = disrupted and disrupted.message or status.message
  if reason and message and message ~= "" then message = reason .. ": " .. message else message = message or reason end
  if node_gone[reason] then return { state = "lost", message = message, native = reason } end
  -- What it took too much of was its own doing, and would come out the same again.
  if taken_away[reason] and not string.find(message or "", "exceed", 1, true) then
    return { state = "preempted", message = message, native = reason }
  end
  local row = { state = "failed", message = message, native = reason }
  local main = status_of(pod, wanted)
  local terminated = main and main.state and main.state.terminated
  if terminated and terminated.exitCode ~= 0 then return code_row(terminated, row) end
  for _, list in ipairs { status.initContainerStatuses or {}, status.containerStatuses or {} } do
    for _, container in ipairs(list) do
      local other = container.state and container.state.terminated
      if other and other.exitCode ~= 0 then
        row = code_row(other, row)
        row.message = "container `" .. container.name .. "`: " .. (row.message or "exit code " .. other.exitCode)
        return row
      end
    end
  end
  return row
end

-- Seconds since the node took the pod up.
local function age(pod, now)
  local began = pod.status and pod.status.startTime and host.time.parse(pod.status.startTime)
  return began and now - began or 0
end

local function waiting_of(pod)
  local status = pod.status or {}
  for _, list in ipairs { status.initContainerStatuses or {}, status.containerStatuses or {} } do
    for _, container in ipairs(list) do
      local waiting = container.state and container.state.waiting
      if waiting then return waiting, container end
    end
  end
end

-- Whether a pod that is not over runs, and why not; where that will not change by waiting on, `failed`. The second
-- answer is whether the pod's events may say more.
function ending.waiting(pod, now, patience)
  if pod.status and pod.status.reason == "NodeLost" then
    return { state = "running", message = "its node does not answer", native = "NodeLost" }
  end
  local scheduled = ending.condition(pod, "PodScheduled")
  if scheduled and scheduled.status ~= "True" then
    local text = scheduled.message or scheduled.reason or "not scheduled yet"
    return { state = "pending", message = "no node has room for it: " .. text, native = scheduled.reason }
  end
  local waiting, container = waiting_of(pod)
  if not waiting then
    if pod.status and pod.status.phase == "Running" then return { state = "running" } end
    return { state = "pending", message = scheduled and "a node makes its pod ready" or "waits to be scheduled" }, true
  end
  local reason = waiting.reason or ""
  if stuck[reason] then
    local text = waiting.message ~= "" and waiting.message or container.image
    text = string.gsub(tostring(text), "rpc error: code = %a+ desc = ", "")
    local row = { state = "pending", message = stuck[reason] .. ": " .. text, native = reason }
    if hopeless[reason] or age(pod, now) > patience then row.state = "failed" end
    return row
  elseif reason == "CrashLoopBackOff" then
    local text = "it failed " .. (container.restartCount or 0) .. " times and waits before it is started again"
    return { state = "running", message = text, native = reason }
  end
  return { state = "pending", message = "a node makes its containers ready", native = reason }, true
end

return ending
