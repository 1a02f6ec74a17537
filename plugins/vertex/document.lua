-- A run and its merged resource, as a CustomJob. Pure.

local tables = require "sagemaker/tables"

local document = {}

-- What Vertex AI takes at most.
local most = { variables = 100, title = 128, label = 63 }
-- Seconds beyond the run's own timeout after which Vertex AI ends the job, where no agent is left to do so.
local margin = 600

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

-- Values of labels are small letters, digits, `_` and `-`. What else a token or an owner has is written so that it can
-- be read back.
function document.label(text)
  return (string.gsub(text, "%u", function(letter) return "_" .. string.lower(letter) end))
end

-- A token of capitals is longer than one label.
function document.labels(token)
  local text = document.label(token)
  local rest = string.sub(text, most.label + 1)
  return { lunaport_token = string.sub(text, 1, most.label), lunaport_token_rest = rest ~= "" and rest or nil }
end

function document.token(labels)
  local text = (labels.lunaport_token or "") .. (labels.lunaport_token_rest or "")
  return (string.gsub(text, "_(%l)", string.upper))
end

-- For people alone: what no label can hold is left out.
local function word(text)
  return string.sub(string.gsub(string.lower(text), "[^%l%d_-]", "-"), 1, most.label)
end

-- The run's own variables beneath the queue's, in the order of their names.
local function environment(run, given)
  local values, names, result = {}, {}, {}
  for name, value in pairs(run.environment) do values[name] = value end
  for _, entry in ipairs(given or {}) do values[entry.name] = entry.value end
  for name in pairs(values) do table.insert(names, name) end
  if #names > most.variables then
    return invalid(
      "the run has " .. #names .. " environment variables; Vertex AI takes " .. most.variables,
      "hand some of them on as arguments, or in a file on Cloud Storage")
  end
  table.sort(names)
  for _, name in ipairs(names) do table.insert(result, { name = name, value = values[name] }) end
  return result
end

local function container(run, given)
  local spec = given or {}
  spec.imageUri = spec.imageUri or run.image
  if not spec.imageUri then
    return invalid("the run has no image", "launch an image job, or name containerSpec.imageUri")
  end
  if #(run.entry_point or {}) > 0 then
    -- Arguments of the queue belong to the entry point of the queue.
    spec.command, spec.args = run.entry_point, nil
  end
  if #(run.args or {}) > 0 then spec.args = run.args end
  local env, err = environment(run, spec.env)
  if not env then return nil, err end
  -- An empty list would be an object in JSON.
  spec.env = env[1] and env or nil
  return spec
end

local function seconds(duration)
  return duration and tonumber(string.match(duration, "^([%d.]+)s$"))
end

function document.plan(run)
  local spec = tables.without_empty(run.resource)
  for _, pool in ipairs(spec.workerPoolSpecs) do
    if not pool.pythonPackageSpec then
      local err
      pool.containerSpec, err = container(run, pool.containerSpec)
      if err then return nil, err end
    end
  end
  if run.timeout then
    spec.scheduling = spec.scheduling or {}
    local limit = math.min(math.ceil(run.timeout) + margin, seconds(spec.scheduling.timeout) or math.huge)
    spec.scheduling.timeout = string.format("%.0fs", limit)
  end
  local labels, encryption = spec.labels or {}, spec.encryptionSpec
  spec.labels, spec.encryptionSpec = nil, nil
  for _, key in ipairs { "run", "entity", "project", "queue" } do labels["lunaport_" .. key] = word(run[key]) end
  return {
    displayName = string.sub(run.name .. " (" .. run.run .. "-" .. run.attempt .. ")", 1, most.title),
    labels = labels, encryptionSpec = encryption, jobSpec = spec,
  }
end

return document
