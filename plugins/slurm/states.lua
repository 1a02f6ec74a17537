-- Slurm's words for states and reasons, in ours.

local states = {}

-- What Slurm's state means. `ended` ones stay as they are; `message` is for people.
local known = {
  PENDING = { state = "pending" },
  CONFIGURING = { state = "pending", message = "Slurm is making its nodes ready" },
  REQUEUED = { state = "pending", message = "Slurm put it back into its queue" },
  REQUEUE_HOLD = { state = "pending", message = "Slurm put it back into its queue and holds it" },
  REQUEUE_FED = { state = "pending", message = "Slurm put it back into its queue" },
  RESV_DEL_HOLD = { state = "pending", message = "held: its reservation was deleted" },
  SPECIAL_EXIT = { state = "pending", message = "Slurm holds it after a special exit" },
  RUNNING = { state = "running" },
  COMPLETING = { state = "running" },
  SIGNALING = { state = "running" },
  STAGE_OUT = { state = "running", message = "Slurm is copying its results" },
  RESIZING = { state = "running" },
  SUSPENDED = { state = "running", message = "suspended by Slurm" },
  STOPPED = { state = "running", message = "stopped by a signal, not ended" },
  COMPLETED = { ended = true },
  FAILED = { ended = true },
  CANCELLED = { ended = true, message = "cancelled in Slurm" },
  TIMEOUT = { ended = true, message = "its time limit in Slurm was over" },
  DEADLINE = { ended = true, message = "its deadline in Slurm was over" },
  OUT_OF_MEMORY = { ended = true, message = "Slurm ended it at its memory limit" },
  PREEMPTED = { ended = true, state = "preempted", message = "Slurm gave its place to another job" },
  NODE_FAIL = { ended = true, state = "lost", message = "a node that it ran on failed" },
  BOOT_FAIL = { ended = true, state = "lost", message = "a node could not be booted for it" },
  REVOKED = { ended = true, state = "lost", message = "another cluster took it" },
}

-- Why a job waits, by Slurm's reason.
local reasons = {
  Resources = "waiting for free resources",
  Priority = "other jobs have a higher priority",
  Dependency = "waiting for another job",
  DependencyNeverSatisfied = "waits for a job that will never end as it must",
  BeginTime = "its time to begin has not come",
  JobHeldUser = "held by its user",
  JobHeldAdmin = "held by an administrator",
  JobArrayTaskLimit = "as many tasks of the array run as may at one time",
  PartitionConfig = "asks for more than the partition has",
  PartitionNodeLimit = "asks for more nodes than the partition allows",
  PartitionTimeLimit = "its time limit is longer than the partition allows",
  PartitionDown = "the partition is down",
  PartitionInactive = "the partition takes no jobs now",
  BadConstraints = "no node can ever fit what it asks for",
  ReqNodeNotAvail = "a node that it needs is not available",
  NodeDown = "a node that it needs is down",
  Licenses = "waiting for licenses",
  Reservation = "waiting for its reservation",
  ReservationDeleted = "its reservation was deleted",
  BeginTimeLimit = "its time to begin has not come",
  InvalidAccount = "its account is not valid",
  InvalidQOS = "its QOS is not valid",
  Cleaning = "Slurm is clearing up after its last start",
  Prolog = "the prologue of its nodes is running",
  FrontEndDown = "no front end node is up",
  JobLaunchFailure = "Slurm could not start it on its node",
  None = "Slurm has not looked at it yet",
}

-- The reason in words, with Slurm's own word for those who know it.
function states.reason(word)
  if not word or word == "" then return nil end
  local text = reasons[word]
  if not text then
    if string.find(word, "^QOS") then
      text = "a limit of its QOS is reached"
    elseif string.find(word, "^Assoc") or string.find(word, "Association") then
      text = "a limit of its account is reached"
    elseif string.find(word, "^ReqNodeNotAvail") then
      text = reasons.ReqNodeNotAvail
    else
      return "Slurm says: " .. word
    end
  end
  return text .. " (" .. word .. ")"
end

-- A wait status as the kernel gives it, or "7:0" (exit code and signal) as newer versions and sacct write it.
function states.status(raw)
  local code, signal = string.match(tostring(raw or ""), "^(%d+):(%d+)$")
  if code then return tonumber(code), tonumber(signal) end
  local status = tonumber(raw)
  if not status then return nil, nil end
  return status // 256 % 256, status % 128
end

-- An exit code, which may be a shell's way to tell of a signal: 128 and its number.
function states.exit(seen, code)
  seen.exit_code = code
  if code > 128 and code < 160 then seen.signal = code - 128 end
  return seen
end

-- Slurm's number for "out of memory" in the place of a signal, and for what it could not launch.
local OUT_OF_MEMORY, LAUNCH_FAILURE = 125, 53

-- One task of Slurm's as an observation: { state, reason, code, signal } in, { state, exit_code, ... } out.
function states.observe(task)
  local word = string.match(task.state or "", "^[%u_]+") or "?"
  local row = known[word]
  if not row then
    return { state = "unknown", native = word, message = "Slurm says a state that this driver does not know" }
  end
  if not row.ended then
    local message = row.message
    if word == "PENDING" then
      message = states.reason(task.reason)
      if (task.restarts or 0) > 0 then message = "put back into Slurm's queue; " .. (message or "waiting") end
    end
    return { state = row.state, native = word, message = message }
  end
  if row.state then return { state = row.state, native = word, message = row.message } end
  local code, signal = task.code, task.signal
  local seen = { native = word, message = row.message }
  if word == "COMPLETED" and code == 0 and signal == 0 then
    seen.state, seen.exit_code = "succeeded", 0
    return seen
  end
  seen.state = "failed"
  if word == "OUT_OF_MEMORY" or signal == OUT_OF_MEMORY then
    seen.out_of_memory, seen.exit_code, seen.signal, seen.message = true, 137, 9, known.OUT_OF_MEMORY.message
  elseif signal == LAUNCH_FAILURE then
    seen.message = "Slurm could not start it on its node: does the node see the run's folder?"
  elseif (code or 0) > 0 then
    states.exit(seen, code)
  elseif word == "TIMEOUT" or word == "DEADLINE" then
    -- By which signal Slurm ended it says less than why.
    return seen
  elseif (signal or 0) > 0 then
    seen.signal = signal
  elseif word == "CANCELLED" then
    -- Before it had run.
    seen.signal = 15
  else
    seen.exit_code = code
  end
  -- With a status of its own the program says enough.
  if word == "FAILED" and code == 0 and signal == 0 then seen.message = states.reason(task.reason) end
  return seen
end

return states
