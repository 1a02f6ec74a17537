-- Training jobs of Amazon SageMaker. A job's name is made from the run's token, so that the service itself refuses a
-- second start.

local api = require "api"
local credentials = require "credentials"
local document = require "document"
local logs = require "logs"
local states = require "states"

local driver = {}

-- Handles that are asked for one by one; for more, lists are cheaper.
local few = 4
-- Jobs that are described in one poll, and rows of one page. The rest is told by the next poll.
local described, page = 40, 100
-- Pages of one list: so many jobs of one agent run at once at most.
local pages = 20
-- Seconds after their end for which jobs that ended well are found by a list; later ones are described.
local recent = 600
-- Seconds for which an ending job is waited for before it is deleted.
local clearing = 20

-- Rows of jobs that have ended, which change no more; lost with the agent, and asked for again.
local ended = {}

function driver.probe(ctx)
  local region, err = credentials.region(ctx)
  if not region then return { health = "undetected", detail = err.message } end
  local _
  _, err = credentials.get(ctx)
  if err then return { health = "undetected", detail = err.message .. (err.hint and " (" .. err.hint .. ")" or "") } end
  _, err = api.call(ctx, "sagemaker", "ListTrainingJobs", { MaxResults = 1 })
  if err then return { health = "unhealthy", detail = err.message .. (err.hint and "; " .. err.hint or "") } end
  return { health = "healthy", detail = "SageMaker in " .. region, attributes = { region = region } }
end

function driver.plan(_, run)
  return document.plan(run)
end

-- A job is asked for in the region that it is in, whatever the settings say now.
local function at(ctx, handle)
  local config = {}
  for key, value in pairs(ctx.config) do config[key] = value end
  config.region = string.match(handle.arn, "^arn:[^:]*:sagemaker:([^:]+):") or config.region
  return { config = config, owner = ctx.owner }
end

-- The job of this name: its description; false where there is none; nil and a failure.
local function describe(ctx, name)
  local job, err = api.call(ctx, "sagemaker", "DescribeTrainingJob", { TrainingJobName = name })
  if job then
    logs.note(job)
    return job
  end
  if err.code == "not_found" then return false end
  return nil, err
end

-- The token that the job was started with, as its tags say.
local function tagged(ctx, arn)
  local answer, err = api.call(ctx, "sagemaker", "ListTags", { ResourceArn = arn, MaxResults = page })
  if not answer then return nil, err end
  for _, tag in ipairs(answer.Tags or {}) do
    if tag.Key == "lunaport-token" then return tag.Value end
  end
  return ""
end

function driver.find(ctx, token)
  local job, err = describe(ctx, document.name(ctx.owner, token))
  if job == false then return nil end
  if not job then return nil, err end
  local found
  found, err = tagged(ctx, job.TrainingJobArn)
  if err then return nil, err end
  return found == token and { name = job.TrainingJobName, arn = job.TrainingJobArn } or nil
end

function driver.start(ctx, spec, token)
  local name = document.name(ctx.owner, token)
  spec.TrainingJobName = name
  for _, tag in ipairs(document.tags(ctx.owner, token)) do table.insert(spec.Tags, tag) end
  local answer, err = api.call(ctx, "sagemaker", "CreateTrainingJob", spec, true)
  if answer then return { name = name, arn = answer.TrainingJobArn } end
  if err.code ~= "conflict" then return nil, err end
  local handle, problem = driver.find(ctx, token)
  if handle or problem then return handle, problem end
  return nil, fail {
    code = "conflict", message = "there is a training job " .. name .. " that this agent did not start",
    hint = "delete it, or launch the run once more",
  }
end

-- Adds what a list says of jobs by name. Jobs that ended badly are left out: why they did is in their description.
local function list(ctx, filter, into)
  local token
  for _ = 1, pages do
    local query = { NameContains = document.prefix(ctx.owner), MaxResults = page, NextToken = token }
    for key, value in pairs(filter) do query[key] = value end
    local answer, err = api.call(ctx, "sagemaker", "ListTrainingJobs", query)
    if not answer then return nil, err end
    for _, job in ipairs(answer.TrainingJobSummaries) do into[job.TrainingJobName] = job end
    token = answer.NextToken
    if not token then break end
  end
  return true
end

-- Adds what lists say of many jobs.
local function look_over(ctx, listed)
  local filters = {
    { StatusEquals = "InProgress" }, { StatusEquals = "Stopping" },
    { StatusEquals = "Completed", LastModifiedTimeAfter = math.floor(host.now()) - recent },
  }
  for _, filter in ipairs(filters) do
    local ok, err = list(ctx, filter, listed)
    if not ok then return nil, err end
  end
  return listed
end

-- A bounded number of requests, however many handles: what goes on and what ended well is listed, what is left is
-- described, so many at a time.
function driver.poll(ctx, handles)
  local rows, listed, budget = {}, {}, #handles
  if #handles > few then
    local err
    listed, err = look_over(ctx, {})
    if not listed then return nil, err end
    budget = described
  end
  for i, handle in ipairs(handles) do
    local name = handle.name
    local job = listed[name]
    if not ended[name] and not job and budget > 0 then
      budget = budget - 1
      local err
      job, err = describe(at(ctx, handle), name)
      if job == nil then return nil, err end
    elseif job then
      logs.note(job)
    end
    if ended[name] then
      rows[i] = ended[name]
    elseif job then
      rows[i] = states.row(job)
      if states.is_over(job.TrainingJobStatus) then ended[name] = rows[i] end
    elseif job == false then
      rows[i] = { state = "lost", message = "SageMaker has no training job of this name in this region any more" }
    else
      rows[i] = { state = "unknown", message = "it has ended; how is asked for with the next poll" }
    end
  end
  return rows
end

-- SageMaker sends SIGTERM and kills after 120 seconds; there is no other grace.
function driver.stop(ctx, handle)
  local _, err, kind = api.call(at(ctx, handle), "sagemaker", "StopTrainingJob", { TrainingJobName = handle.name })
  if not err or err.code == "not_found" then return true end
  -- A job that has ended is refused as an invalid request.
  if kind == "ValidationException" and string.find(err.message, "status", 1, true) then return true end
  return nil, err
end

-- What is left of an ended job is its record; its output and its results stay where they are.
local function delete(ctx, name)
  local done, err
  for _ = 1, clearing do
    done, err = api.call(ctx, "sagemaker", "DeleteTrainingJob", { TrainingJobName = name })
    if done or err.code == "not_found" then return true end
    if err.code ~= "conflict" then return nil, err end
    -- It was just stopped.
    host.sleep(1)
  end
  return nil, fail { code = "unavailable", message = "the job has not ended yet: " .. err.message, retry = 30 }
end

function driver.forget(ctx, handle)
  if not ctx.config.keep_records then
    local ok, err = delete(at(ctx, handle), handle.name)
    if not ok then return nil, err end
  end
  ended[handle.name] = nil
  logs.forget(handle.name)
  return true
end

function driver.list(ctx)
  local found, result = {}, {}
  -- Where records are kept, those of ended jobs are nothing that anybody has to clear away.
  local filters = { {} }
  if ctx.config.keep_records then filters = { { StatusEquals = "InProgress" }, { StatusEquals = "Stopping" } } end
  for _, filter in ipairs(filters) do
    local ok, err = list(ctx, filter, found)
    if not ok then return nil, err end
  end
  for name, job in pairs(found) do
    local token = document.token(ctx.owner, name)
    if not token then
      local err
      token, err = tagged(ctx, job.TrainingJobArn)
      if err then return nil, err end
    end
    if token ~= "" and job.TrainingJobStatus ~= "Deleting" then
      table.insert(result, { token = token, handle = { name = name, arn = job.TrainingJobArn } })
    end
  end
  return result
end

function driver.logs(ctx, handle, cursor)
  return logs.read(at(ctx, handle), handle, cursor, describe)
end

return driver
