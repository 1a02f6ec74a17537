-- What Vertex AI says of a job, as the state of a run. Pure.

local states = {}

local waits = {
  JOB_STATE_QUEUED = "the project's quota has no room for it now, or Vertex AI has not looked at it yet",
  JOB_STATE_PENDING = "Vertex AI prepares the machines",
  JOB_STATE_PAUSED = "the job is paused",
}
-- Codes of google.rpc.Code.
local internal, unavailable = 13, 14

local over = {
  JOB_STATE_SUCCEEDED = true, JOB_STATE_PARTIALLY_SUCCEEDED = true, JOB_STATE_FAILED = true,
  JOB_STATE_CANCELLED = true, JOB_STATE_EXPIRED = true,
}

-- Has it come to its end, so that nothing of it changes any more.
function states.is_over(state)
  return over[state] == true
end

local function failed(job)
  local reason = job.error or {}
  local text, native = reason.message or "Vertex AI gives no reason", job.state
  local plain = string.lower(text)
  local code = string.match(plain, "non%-zero status of:?%s*(%d+)") or string.match(plain, "exit code:?%s*(%d+)")
  code = tonumber(code)
  if not code and string.find(plain, "preempt", 1, true) then
    return { state = "preempted", message = text, native = native }
  elseif not code and (reason.code == internal or reason.code == unavailable) then
    return { state = "lost", message = text, native = native }
  end
  local is_short = string.find(plain, "out%Aof%Amemory") ~= nil
  return { state = "failed", exit_code = code, out_of_memory = is_short, message = text, native = native }
end

function states.row(job)
  local state = job.state
  if waits[state] then
    return { state = "pending", message = waits[state], native = state }
  elseif state == "JOB_STATE_SUCCEEDED" or state == "JOB_STATE_PARTIALLY_SUCCEEDED" then
    return { state = "succeeded", exit_code = 0, native = state }
  elseif state == "JOB_STATE_CANCELLED" then
    return { state = "failed", signal = 15, message = "cancelled", native = state }
  elseif state == "JOB_STATE_EXPIRED" then
    local text = job.error and job.error.message or "it waited or ran for longer than its scheduling allows"
    return { state = "failed", message = text, native = state }
  elseif state == "JOB_STATE_FAILED" then
    return failed(job)
  end
  return { state = "running", native = state }
end

return states
