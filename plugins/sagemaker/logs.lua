-- Output of training jobs, from CloudWatch Logs: a stream for each instance. A cursor holds for each stream the token
-- of the next page and, because tokens end after a day, the time of the last event and how many of that time were
-- taken.

local api = require "api"
local pacing = require "pacing"
local states = require "states"

local logs = {}

local group = "/aws/sagemaker/TrainingJobs"
-- Events of one request; bytes of one answer to the host; streams of one page.
local events, bytes, page = 500, 131072, 50
-- Seconds for which a job is taken to go on without asking.
local fresh = 10
-- Runs that print nothing and share all requests there may be.
local sharers = 30

-- What was last heard of jobs, and when their output is to be looked at again. Lost with the agent, and asked anew.
local known, look = {}, {}

-- Takes what SageMaker says of a job, in a description or a list.
function logs.note(job)
  local before, machines = known[job.TrainingJobName] or {}, job.ResourceConfig
  local count = machines and machines.InstanceCount or before.instances
  if machines and machines.InstanceGroups then
    count = 0
    for _, machine in ipairs(machines.InstanceGroups) do count = count + machine.InstanceCount end
  end
  known[job.TrainingJobName] = {
    over = states.is_over(job.TrainingJobStatus), ended = job.TrainingEndTime or job.LastModifiedTime or host.now(),
    instances = count, at = host.now(),
  }
end

function logs.forget(name)
  known[name], look[name] = nil, nil
end

-- In turn, so that many runs together stay below what the account may ask.
local function ask(ctx, operation, query)
  local ok, err = pacing.take_turn(ctx.config.log_requests)
  if not ok then return nil, err end
  query.logGroupName = group
  return api.call(ctx, "logs", operation, query)
end

-- Adds streams that the cursor does not know yet.
local function find_streams(ctx, name, cursor)
  local token
  repeat
    local query = { logStreamNamePrefix = name .. "/", limit = page, nextToken = token }
    local answer, err = ask(ctx, "DescribeLogStreams", query)
    if not answer then
      -- The first job of an account makes the group, with its first line.
      if err.code == "not_found" then return true end
      return nil, err
    end
    for _, stream in ipairs(answer.logStreams) do
      local title = stream.logStreamName
      cursor.streams[title] = cursor.streams[title] or { at = 0, taken = 0, skip = 0 }
    end
    token = answer.nextToken
  until not token
  return true
end

-- Appends what is new of a page. Gives its bytes, and whether the budget ended it.
local function take(place, found, prefix, out, budget)
  local size = 0
  for _, event in ipairs(found) do
    if place.skip > 0 and event.timestamp == place.at then
      place.skip = place.skip - 1
    elseif size >= budget then
      return size, true
    else
      local line = prefix .. event.message .. "\n"
      table.insert(out, line)
      size, place.skip = size + #line, 0
      place.taken = event.timestamp == place.at and place.taken + 1 or 1
      place.at = event.timestamp
    end
  end
  return size, false
end

-- Reads on from `place` into `out`, to the end where the job is over, else a page. Gives the bytes that were read, or
-- nil and a failure.
local function read_stream(ctx, title, place, out, budget, is_over)
  local machine = string.match(title, "/(algo%-%d+)")
  local prefix = machine and machine ~= "algo-1" and "[" .. machine .. "] " or ""
  local size = 0
  while size < budget do
    local query = { logStreamName = title, startFromHead = true, limit = events, nextToken = place.token }
    if not place.token and place.at > 0 then query.startTime = place.at end
    local answer, err, kind = ask(ctx, "GetLogEvents", query)
    if not answer and kind == "InvalidParameterException" and place.token then
      -- The token has ended: from the last event's time on, without what was taken of that time.
      place.token, place.skip = nil, place.taken
    elseif not answer then
      if err.code == "not_found" then break end
      return nil, err
    else
      local more, is_cut = take(place, answer.events, prefix, out, budget - size)
      size = size + more
      local is_end = answer.nextForwardToken == place.token
      place.token = answer.nextForwardToken
      if is_cut then place.token, place.skip = nil, place.taken end
      if is_cut or is_end or not is_over then break end
    end
  end
  return size
end

local function state_of(ctx, name, describe)
  local job = known[name]
  if job and job.instances and (job.over or host.now() - job.at < fresh) then return job end
  local found, err = describe(ctx, name)
  if found == nil then return nil, err end
  return found and known[name] or { over = true, ended = 0, instances = 0 }
end

function logs.read(ctx, handle, cursor, describe)
  local name = handle.name
  cursor = cursor or { streams = {} }
  if not (known[name] and known[name].over) and (host.now() < (look[name] or 0) or pacing.is_busy()) then
    return { bytes = "", cursor = cursor }
  end
  local job, err = state_of(ctx, name, describe)
  if not job then return nil, err end
  if job.over then
    -- The last lines arrive a little after the end. Nobody asks again once they were given as all there is.
    local settle = host.seconds(ctx.config.log_settle)
    local left = job.ended + settle - host.now()
    -- No longer than that, if the agent's clock is behind.
    if left > 0 then host.sleep(math.min(left, settle)) end
  end
  local titles = {}
  for title in pairs(cursor.streams) do table.insert(titles, title) end
  if #titles < math.max(1, job.instances) then
    local ok
    ok, err = find_streams(ctx, name, cursor)
    if not ok then return nil, err end
    titles = {}
    for title in pairs(cursor.streams) do table.insert(titles, title) end
  end
  table.sort(titles)
  local out, size = {}, 0
  for _, title in ipairs(titles) do
    local more
    more, err = read_stream(ctx, title, cursor.streams[title], out, bytes - size, job.over)
    -- What was read before a failure is given all the same: its cursor has moved.
    if not more then
      if size > 0 then break end
      return nil, err
    end
    size = size + more
  end
  if size == 0 then look[name] = host.now() + sharers * 60 / ctx.config.log_requests end
  return { bytes = table.concat(out), cursor = cursor, done = job.over and size < bytes and not err }
end

return logs
