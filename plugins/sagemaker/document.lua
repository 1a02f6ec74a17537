-- A run and its merged resource, as the body of CreateTrainingJob. Pure.

local tables = require "tables"

local document = {}

-- What CreateTrainingJob takes at most. Longer ones are refused there with a text that names no run.
local most = {
  name = 63, variables = 100, variable = 512, words = 100, word = 256, parameters = 100, parameter = 2500, tag = 256,
}
-- Seconds beyond the run's own timeout after which SageMaker ends the job, where no agent is left to do so.
local margin = 600
-- What SageMaker takes where a queue says nothing: a day.
local runtime = 86400

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

-- Names of jobs are one an account and region; with the agent's id and the token they meet nobody else's.
function document.prefix(owner)
  return "lunaport-" .. owner .. "-"
end

-- The same name for the same token, always. A token that does not fit is there by its hash, and whole in a tag.
function document.name(owner, token)
  local name = document.prefix(owner) .. token
  if #name <= most.name and string.match(name, "%w$") then return name end
  return document.prefix(owner) .. "-" .. string.sub(host.sha256(token), 1, 40)
end

-- The token in a name, or nil where there is but its hash.
function document.token(owner, name)
  local prefix = document.prefix(owner)
  if string.sub(name, 1, #prefix) ~= prefix then return nil end
  local token = string.sub(name, #prefix + 1)
  return string.sub(token, 1, 1) ~= "-" and token or nil
end

function document.tags(owner, token)
  return { { Key = "lunaport-owner", Value = owner }, { Key = "lunaport-token", Value = token } }
end

local function pieces(name, value, into)
  local index, from = 0, 1
  while from <= #value do
    local to = math.min(from + most.variable - 1, #value)
    -- A character of several bytes is not cut in two.
    while to < #value and (string.byte(value, to + 1) & 0xC0) == 0x80 do to = to - 1 end
    into[name .. "_" .. index] = string.sub(value, from, to)
    index, from = index + 1, to + 1
  end
end

-- The run's own variables beneath the queue's. One of the run's that is too long comes in pieces: NAME_0, NAME_1, ...
local function environment(run, resource)
  local result, count = {}, 0
  for name, value in pairs(run.environment) do
    if #value > most.variable then pieces(name, value, result) else result[name] = value end
  end
  for name, value in pairs(resource.Environment or {}) do
    result[name] = tostring(value)
    if #result[name] > most.variable then
      return invalid(
        "the variable " .. name .. " has " .. #result[name] .. " bytes; SageMaker takes " .. most.variable,
        "put it into HyperParameters, or into a file on S3")
    end
  end
  for name in pairs(result) do
    count = count + 1
    if not string.match(name, "^[%a_][%w_]*$") then
      return invalid("SageMaker takes no variable named `" .. name .. "`", "letters, digits and _ are allowed")
    end
  end
  if count > most.variables then
    return invalid(
      "the run has " .. count .. " environment variables; SageMaker takes " .. most.variables,
      "put some into HyperParameters")
  end
  return result
end

local function parameters(given)
  local result, count = {}, 0
  for name, value in pairs(given) do
    count, result[name] = count + 1, tostring(value)
    if #result[name] > most.parameter then
      return invalid("the hyperparameter " .. name .. " has more than " .. most.parameter .. " bytes")
    end
  end
  if count > most.parameters then return invalid(count .. " hyperparameters; SageMaker takes " .. most.parameters) end
  return result
end

local function command(words, what)
  if #words > most.words then return invalid(what .. " has " .. #words .. " words; SageMaker takes " .. most.words) end
  for _, word in ipairs(words) do
    if #word > most.word or string.find(word, "\n", 1, true) then
      return invalid(
        "a word of " .. what .. " is longer than " .. most.word .. " bytes or has a line break",
        "put a script into the image and name it, or hand the text on by the config or a variable")
    end
  end
  return words
end

local function stopping(condition, timeout)
  if timeout then
    local limit = math.ceil(timeout) + margin
    if condition.MaxWaitTimeInSeconds then limit = math.min(limit, condition.MaxWaitTimeInSeconds) end
    condition.MaxRuntimeInSeconds = math.min(condition.MaxRuntimeInSeconds or limit, limit)
  end
  condition.MaxRuntimeInSeconds = condition.MaxRuntimeInSeconds or runtime
  return condition
end

function document.plan(run)
  local spec = tables.without_empty(run.resource)
  local algorithm = spec.AlgorithmSpecification or {}
  spec.AlgorithmSpecification = algorithm
  if not algorithm.TrainingImage and not algorithm.AlgorithmName then algorithm.TrainingImage = run.image end
  if not algorithm.TrainingImage and not algorithm.AlgorithmName then
    return invalid("the run has no image", "launch an image job, or name AlgorithmSpecification.TrainingImage")
  end
  algorithm.TrainingInputMode = algorithm.TrainingInputMode or "File"
  if #(run.entry_point or {}) > 0 then
    -- Arguments of the queue belong to the entry point of the queue.
    algorithm.ContainerEntrypoint, algorithm.ContainerArguments = run.entry_point, nil
  end
  if #(run.args or {}) > 0 then algorithm.ContainerArguments = run.args end
  for _, key in ipairs { "ContainerEntrypoint", "ContainerArguments" } do
    if algorithm[key] then
      local ok, err = command(algorithm[key], key)
      if not ok then return nil, err end
    end
  end
  local err
  spec.Environment, err = environment(run, run.resource)
  if err then return nil, err end
  if spec.HyperParameters then
    spec.HyperParameters, err = parameters(spec.HyperParameters)
    if err then return nil, err end
  end
  spec.StoppingCondition = stopping(spec.StoppingCondition or {}, run.timeout)
  spec.Tags = spec.Tags or {}
  for _, key in ipairs { "run", "entity", "project", "queue" } do
    local value = string.sub(string.gsub(run[key], "[^%w_.:/=+%-@ ]", "_"), 1, most.tag)
    table.insert(spec.Tags, { Key = "lunaport-" .. key, Value = value })
  end
  return spec
end

return document
