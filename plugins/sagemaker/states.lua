-- What SageMaker says of a job, as the state of a run. Pure.

local states = {}

local waits = {
  Pending = "SageMaker waits for instances",
  Starting = "SageMaker starts the job",
  LaunchingMLInstances = "SageMaker launches the instances",
  PreparingTrainingStack = "SageMaker prepares the instances",
  Downloading = "SageMaker downloads the input data",
  DownloadingTrainingImage = "SageMaker downloads the image",
  Restarting = "SageMaker starts the job again after a fault of its own",
  Interrupted = "the spot instances were taken away; SageMaker waits for others",
}

-- The service's own words for where the job stands, which say more than the name of the state.
local function words(job)
  local last = job.SecondaryStatusTransitions and job.SecondaryStatusTransitions[#job.SecondaryStatusTransitions]
  return last and last.StatusMessage and last.StatusMessage ~= "" and last.StatusMessage or nil
end

local function failed(job, native)
  local reason = job.FailureReason or "SageMaker gives no reason"
  local plain = string.lower(reason)
  if string.find(plain, "^internalservererror") then
    return { state = "lost", message = reason, native = native }
  end
  local code = string.match(plain, "exit%s?code:?%s*(%d+)")
  local row = { state = "failed", exit_code = code and tonumber(code), message = reason, native = native }
  row.out_of_memory = string.find(plain, "out of memory", 1, true) ~= nil
    or string.find(plain, "outofmemory", 1, true) ~= nil
  return row
end

local function stopped(job, secondary, native)
  if secondary == "Interrupted" then
    return { state = "preempted", message = "the spot instances were taken away", native = native }
  elseif secondary == "MaxRuntimeExceeded" then
    local limit = job.StoppingCondition and job.StoppingCondition.MaxRuntimeInSeconds
    local message = "SageMaker stopped it after MaxRuntimeInSeconds" .. (limit and " (" .. limit .. " s)" or "")
    return { state = "failed", signal = 15, message = message, native = native }
  elseif secondary == "MaxWaitTimeExceeded" then
    local message = "SageMaker stopped it after MaxWaitTimeInSeconds: there were no spot instances for long enough"
    return { state = "failed", message = message, native = native }
  end
  return { state = "failed", signal = 15, message = "stopped", native = native }
end

-- Has it come to its end, so that nothing of it changes any more.
function states.is_over(status)
  return status == "Completed" or status == "Failed" or status == "Stopped"
end

-- `job` is what DescribeTrainingJob answers, or a row of ListTrainingJobs where the job has not ended badly.
function states.row(job)
  local status, secondary = job.TrainingJobStatus, job.SecondaryStatus or job.TrainingJobStatus
  local native = status == secondary and status or status .. "/" .. secondary
  if status == "Completed" then
    return { state = "succeeded", exit_code = 0, native = native }
  elseif status == "Failed" then
    return failed(job, native)
  elseif status == "Stopped" then
    return stopped(job, secondary, native)
  elseif status == "Deleting" then
    return { state = "lost", message = "somebody deletes the training job", native = native }
  elseif waits[secondary] and status == "InProgress" then
    local text = words(job)
    return { state = "pending", message = waits[secondary] .. (text and ": " .. text or ""), native = native }
  end
  return { state = "running", native = native }
end

return states
