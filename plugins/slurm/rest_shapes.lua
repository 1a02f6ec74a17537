-- All that differs between versions of slurmrestd's API. Until v0.0.38 a job's numbers were plain and its GPUs had keys
-- of their own; since v0.0.39 numbers that may be missing are tables, and GPUs are trackable resources.

local states = require "states"

local shapes = {}

-- The newest that this driver has been written for.
shapes.NEWEST = 44
-- The oldest whose documents are as told here.
shapes.OLDEST = 38

-- v0.0.38 -> 38
function shapes.number(version) return tonumber(string.match(version, "^v0%.0%.(%d+)$")) end

-- The best version that an OpenAPI document offers.
function shapes.choose(paths)
  local best
  for path in pairs(paths) do
    local number = tonumber(string.match(path, "^/slurm/v0%.0%.(%d+)/job"))
    if number and number >= shapes.OLDEST and number <= shapes.NEWEST and number > (best or 0) then best = number end
  end
  return best and "v0.0." .. best
end

local function split(text)
  local list = {}
  for part in string.gmatch(text, "[^,]+") do list[#list + 1] = part end
  return list
end

-- A number in the newer shape.
local function set(number) return { set = true, infinite = false, number = number } end

local function unsupported(key)
  return nil, fail {
    code = "unsupported", message = "`" .. key .. "` cannot be said to this slurmrestd",
    hint = "leave it out, use a newer version of its API, or let the agent use Slurm's commands",
  }
end

local function old(job, properties)
  for _, key in ipairs { "required_nodes", "excluded_nodes" } do
    if properties[key] then return unsupported(key == "required_nodes" and "nodelist" or "exclude") end
  end
  if properties.nodes then
    local least, most = string.match(properties.nodes, "^(%d+)%-?(%d*)$")
    if not least then return unsupported("nodes = " .. properties.nodes) end
    least = tonumber(least)
    properties.nodes = { least, tonumber(most) or least }
  end
  if properties.exclusive then properties.exclusive = "exclusive" end
  properties.environment = { PATH = job.path }
  properties.open_mode = "append"
  return { script = job.script, job = properties }
end

local function new(job, properties)
  for _, key in ipairs { "time_limit", "memory_per_node", "memory_per_cpu" } do
    if properties[key] then properties[key] = set(properties[key]) end
  end
  for key, tres in pairs { gpus = "tres_per_job", gpus_per_node = "tres_per_node", gpus_per_task = "tres_per_task" } do
    if properties[key] then properties[tres] = "gres/gpu:" .. properties[key] end
    properties[key] = nil
  end
  if properties.gres then
    local list = {}
    for i, part in ipairs(split(properties.gres)) do list[i] = "gres/" .. part end
    if properties.tres_per_node then table.insert(list, 1, properties.tres_per_node) end
    properties.tres_per_node, properties.gres = table.concat(list, ","), nil
  end
  for _, key in ipairs { "required_nodes", "excluded_nodes", "mail_type" } do
    if properties[key] then properties[key] = split(properties[key]) end
  end
  if properties.exclusive then properties.shared, properties.exclusive = { "none" }, nil end
  properties.environment = { "PATH=" .. job.path }
  properties.open_mode = { "APPEND" }
  return { script = job.script, job = properties }
end

-- The document that submits a job, from the properties by their names in v0.0.38.
function shapes.submission(version, job, properties)
  properties.name, properties.comment = job.name, job.comment
  properties.current_working_directory, properties.standard_output = job.folder, job.output
  if shapes.number(version) == 38 then return old(job, properties) end
  return new(job, properties)
end

-- A number in either shape; nil where it is not set.
local function number(value)
  if type(value) == "table" then return value.set and value.number or nil end
  return tonumber(value)
end

-- One of the states, where there are flags beside it: a job may be RUNNING and COMPLETING.
local function state(value)
  if type(value) ~= "table" then return value end
  local first = value[1]
  for _, word in ipairs(value) do
    if word == "COMPLETING" or word == "CONFIGURING" or word == "STOPPED" or word == "SPECIAL_EXIT" then
      if first == "RUNNING" or first == "PENDING" then return word end
    end
  end
  return first
end

-- A job as `cli` tells it.
function shapes.task(job)
  local base = number(job.array_job_id) or 0
  local index = number(job.array_task_id)
  local text = job.array_task_string
  local task = {
    id = string.format("%d", job.job_id), base = string.format("%d", base ~= 0 and base or job.job_id),
    index = index and string.format("%d", index) or text ~= "" and text or nil, state = state(job.job_state),
    reason = job.state_reason, restarts = number(job.restart_cnt), name = job.name, comment = job.comment,
    user = job.user_name,
  }
  if base == 0 then task.index = nil end
  if type(job.exit_code) == "table" then
    local signal = job.exit_code.signal or {}
    task.code, task.signal = number(job.exit_code.return_code) or 0, number(signal.id or signal.signal_id) or 0
  else
    task.code, task.signal = states.status(job.exit_code)
  end
  return task
end

-- Does a controller answer: one row of `pings`.
function shapes.is_up(ping)
  return ping.responding == true or ping.ping == "UP" or ping.pinged == "UP"
end

-- Is a partition up: one row of `partitions`.
function shapes.is_partition_up(partition)
  local word = partition.state or partition.partition and partition.partition.state or "UP"
  if type(word) == "table" then word = word[1] end
  return word == "UP"
end

return shapes
