-- What a queue's resource means to Slurm: one row an option, with its name on sbatch's command line and in the job
-- document of slurmrestd. `rest_shapes` turns the latter into what a version of the API wants.

local options = {}

local MEBIBYTE = 1048576

local function megabytes(value) return math.ceil(host.bytes(value) / MEBIBYTE) end
local function minutes(value) return math.ceil(host.seconds(value) / 60) end

-- `as` turns the resource's value into the option's; `unit` is what sbatch wants behind the number.
options.rows = {
  { key = "partition", rest = "partition" },
  { key = "account", rest = "account" },
  { key = "qos", rest = "qos" },
  { key = "time", rest = "time_limit", as = minutes },
  { key = "nodes", rest = "nodes", as = tostring },
  { key = "ntasks", rest = "tasks" },
  { key = "ntasks_per_node", rest = "tasks_per_node" },
  { key = "cpus_per_task", rest = "cpus_per_task" },
  { key = "mem", rest = "memory_per_node", as = megabytes, unit = "M" },
  { key = "mem_per_cpu", rest = "memory_per_cpu", as = megabytes, unit = "M" },
  { key = "gpus", rest = "gpus", as = tostring },
  { key = "gpus_per_node", rest = "gpus_per_node", as = tostring },
  { key = "gpus_per_task", rest = "gpus_per_task", as = tostring },
  { key = "gres", rest = "gres" },
  { key = "constraint", rest = "constraints" },
  { key = "array", rest = "array" },
  { key = "licenses", rest = "licenses" },
  { key = "reservation", rest = "reservation" },
  { key = "nodelist", rest = "required_nodes" },
  { key = "exclude", rest = "excluded_nodes" },
  { key = "nice", rest = "nice" },
  { key = "mail_type", rest = "mail_type", as = function(list) return table.concat(list, ",") end },
  { key = "mail_user", rest = "mail_user" },
}

-- Slurm counts minutes and looks about twice a minute: its own limit must not be over before the host's, which says
-- more clearly what happened.
local SLACK_SECONDS = 60

-- The options of a run by key, plain values in Slurm's units.
function options.of(run)
  local resource, found = run.resource, {}
  for _, row in ipairs(options.rows) do
    local value = resource[row.key]
    if value ~= nil and value ~= 0 and value ~= "" then
      found[row.key] = row.as and row.as(value) or value
    end
  end
  if not found.time and run.timeout then found.time = minutes(run.timeout + SLACK_SECONDS) end
  if resource.exclusive then found.exclusive = true end
  found.requeue = resource.requeue or false
  return found
end

-- The same as arguments of sbatch. No shell sees them.
function options.arguments(found)
  local list = {}
  for _, row in ipairs(options.rows) do
    if found[row.key] ~= nil then
      list[#list + 1] = "--" .. string.gsub(row.key, "_", "-") .. "=" .. found[row.key] .. (row.unit or "")
    end
  end
  if found.exclusive then list[#list + 1] = "--exclusive" end
  list[#list + 1] = found.requeue and "--requeue" or "--no-requeue"
  return list
end

-- The indexes that an array has, in order; nil for what is no array's description.
function options.indexes(array)
  local list, seen = {}, {}
  for part in string.gmatch((string.gsub(array, "%%%d+$", "")) .. ",", "([^,]*),") do
    local first, last, step = string.match(part, "^(%d+)%-?(%d*):?(%d*)$")
    if not first then return nil end
    first, last, step = tonumber(first), tonumber(last) or tonumber(first), tonumber(step) or 1
    if step < 1 or last < first or (last - first) / step >= options.TASKS_MAX then return nil end
    for index = first, last, step do
      if not seen[index] then
        seen[index] = true
        list[#list + 1] = index
      end
    end
  end
  if #list == 0 or #list > options.TASKS_MAX then return nil end
  table.sort(list)
  return list
end

-- Tasks of one array: Slurm's own default limit (MaxArraySize) is 1001, and each task's end is kept in one document.
options.TASKS_MAX = 10000

return options
