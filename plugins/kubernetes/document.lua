-- A run as the document that is sent to the API server: the queue's own, with the run's program put into its containers
-- and safe values where the queue gave none.

local kinds = require "kinds"
local policy = require "policy"

local document = {}

-- The target's own deadline comes after the host's, which stops the run with grace and says why.
local deadline_slack_seconds = 120
-- Stands for the name of the run's own Secret: that of its Job, which is known when it starts.
local own_secret = "(of this run)"

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

local function sorted(map)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function merged(below, above)
  local all = {}
  for key, value in pairs(below or {}) do all[key] = value end
  for key, value in pairs(above) do all[key] = value end
  return all
end

-- A label takes 63 of some characters; the whole text is beside it in an annotation where that matters.
local function label(text)
  text = string.gsub(string.sub(text, 1, 63), "[^%w_.-]", "-")
  return (string.gsub(string.gsub(text, "^[^%w]+", ""), "[^%w]+$", ""))
end

-- Kubernetes reads `$(NAME)` in commands and variables, and `$$` as `$`. What comes from the run is meant as it is.
local function literal(text)
  if not string.find(text, "$(", 1, true) and not string.find(text, "$$", 1, true) then return text end
  return (string.gsub(text, "%$", "$$"))
end

local function literals(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = literal(word) end
  return list
end

-- Every table that holds a pod as `template` does, wherever its kind keeps it.
local function templates(value, found)
  for _, key in ipairs(sorted(value)) do
    local item = value[key]
    if key == "template" and type(item) == "table" and type(item.spec) == "table" then
      found[#found + 1] = item
    elseif type(item) == "table" then
      templates(item, found)
    end
  end
  return found
end

local function is_secret(value)
  return type(value) == "table" and value["$secret"] ~= nil
end

-- One `env` list: the run's own variables, over them those of the container, over them those of the resource.
local function environment(container, run, secrets)
  local list, places = {}, {}
  local function put(entry)
    local place = places[entry.name] or #list + 1
    places[entry.name], list[place] = place, entry
  end
  local function set(name, value)
    if is_secret(value) then
      secrets[value["$secret"]] = value
      put { name = name, valueFrom = { secretKeyRef = { name = own_secret, key = value["$secret"] } } }
    else
      put { name = name, value = value }
    end
  end
  for _, name in ipairs(sorted(run.environment)) do set(name, literal(run.environment[name])) end
  for _, entry in ipairs(container.env or {}) do
    if is_secret(entry.value) then set(entry.name, entry.value) else put(entry) end
  end
  for _, name in ipairs(sorted(run.resource.env or {})) do set(name, run.resource.env[name]) end
  return list
end

-- A container with a command of its own gets the run's as its arguments, as an image with an entry point does.
local function program(container, run)
  if container.command then
    if not container.args and #run.command > 0 then container.args = literals(run.command) end
    return
  end
  if #run.entry_point > 0 then container.command = literals(run.entry_point) end
  if #run.args > 0 then container.args = literals(run.args) end
end

local function secure(pod)
  pod.securityContext = pod.securityContext or {}
  pod.securityContext.seccompProfile = pod.securityContext.seccompProfile or { type = "RuntimeDefault" }
  if pod.automountServiceAccountToken == nil then pod.automountServiceAccountToken = false end
  for _, list in ipairs { "initContainers", "containers" } do
    for _, container in ipairs(pod[list] or {}) do
      local context = container.securityContext or {}
      container.securityContext = context
      -- A privileged container may not refuse escalation; only an operator's word gets one this far.
      if context.allowPrivilegeEscalation == nil and not context.privileged then
        context.allowPrivilegeEscalation = false
      end
      context.capabilities = context.capabilities or {}
      context.capabilities.drop = context.capabilities.drop or { "ALL" }
    end
  end
end

-- The container of a pod that the run's program is put into.
function document.container(pod, wanted)
  for _, container in ipairs(pod.containers or {}) do
    if container.name == wanted then return container end
  end
  return (pod.containers or {})[1]
end

local function fill(template, run, secrets)
  local pod = template.spec
  -- The Job's controller ends pods of a stopped run with the pod's own grace, and no order makes that longer again. 0
  -- would take a pod out of the books before its node has ended it.
  pod.terminationGracePeriodSeconds = pod.terminationGracePeriodSeconds or math.max(1, math.ceil(run.grace))
  if type(pod.containers) ~= "table" or not pod.containers[1] then pod.containers = { { name = "main" } } end
  local container = document.container(pod, run.resource.container)
  container.name = container.name or run.resource.container or "main"
  container.image = container.image or run.image
  if not container.image then
    return invalid("the run has no image, and the container `" .. container.name .. "` names none",
      "launch a job made from an image, or one that a builder makes an image of")
  end
  program(container, run)
  container.env = environment(container, run, secrets)
  secure(pod)
  return true
end

-- Where a secret stands that no variable takes: in any other place its text would be there for all to read.
local function stray(value, path)
  for _, key in ipairs(sorted(value)) do
    local item, here = value[key], path .. "." .. tostring(key)
    if is_secret(item) then return here end
    if type(item) == "table" then
      local found = stray(item, here)
      if found then return found end
    end
  end
end

local function job_defaults(spec, run, config)
  spec.backoffLimit = spec.backoffLimit or 0
  spec.ttlSecondsAfterFinished = spec.ttlSecondsAfterFinished or math.ceil(host.seconds(config.keep))
  spec.template.spec.restartPolicy = spec.template.spec.restartPolicy or "Never"
  if run.timeout then
    local deadline = math.ceil(run.timeout) + deadline_slack_seconds
    spec.activeDeadlineSeconds = math.min(spec.activeDeadlineSeconds or deadline, deadline)
  end
end

function document.plan(config, run)
  local resource = run.resource
  local kind, err = kinds.find(config, resource.apiVersion, resource.kind)
  if not kind then return nil, err end
  local namespace
  namespace, err = policy.namespace(config, resource.namespace)
  if not namespace then return nil, err end
  local spec, metadata = resource.spec or {}, resource.metadata or {}
  if kind.is_job then
    spec.template = spec.template or {}
    spec.template.spec = spec.template.spec or {}
    job_defaults(spec, run, config)
  end
  err = policy.refuses(config, spec)
  if err then return nil, err end
  local labels = {
    ["app.kubernetes.io/managed-by"] = "lunaport",
    ["lunaport/run"] = run.run,
    ["lunaport/queue"] = label(run.queue),
  }
  local annotations = { ["lunaport/run-name"] = run.name, ["lunaport/project"] = run.entity .. "/" .. run.project }
  local secrets, found = {}, templates({ spec = spec }, {})
  if not found[1] then return invalid("the resource's `spec` has no pod template") end
  for _, template in ipairs(found) do
    template.metadata = template.metadata or {}
    template.metadata.labels = merged(template.metadata.labels, labels)
    if resource.container then
      template.metadata.annotations =
        merged(template.metadata.annotations, { ["lunaport/container"] = resource.container })
    end
    local ok
    ok, err = fill(template, run, secrets)
    if not ok then return nil, err end
  end
  local place = stray(spec, "spec")
  if place then
    return invalid("`" .. place .. "` of the resource is a secret, which only variables of containers may be",
      "give it to the program in `env`")
  end
  if not kind.is_job then
    annotations["lunaport/status"] = host.json.encode(resource.status or kind.status or {})
  end
  if resource.container then annotations["lunaport/container"] = resource.container end
  return {
    document = {
      apiVersion = resource.apiVersion,
      kind = resource.kind,
      metadata = {
        namespace = namespace,
        labels = merged(metadata.labels, labels),
        annotations = merged(metadata.annotations, annotations),
      },
      spec = spec,
    },
    secrets = next(secrets) and secrets or nil,
  }
end

-- The name of what is made for a token: short enough that what a controller adds to it still fits.
function document.name(token)
  if #token <= 40 and not string.find(token, "[^%l%d-]") and string.find(token, "[%l%d]$") then
    return "run-" .. token
  end
  local safe = string.gsub(string.lower(string.sub(token, 1, 24)), "[^%l%d]", "-")
  return "run-" .. safe .. "-" .. string.sub(host.sha256(token), 1, 10)
end

local function name_secret(value, name)
  for _, item in pairs(value) do
    if type(item) == "table" then
      if item.secretKeyRef and item.secretKeyRef.name == own_secret then item.secretKeyRef.name = name end
      name_secret(item, name)
    end
  end
end

-- What `plan` made, ready to be sent: with its name, and the labels that it is found by.
function document.finish(planned, token, owner)
  local whole = planned.document
  whole.metadata.name = document.name(token)
  local marks = { ["lunaport/token"] = token, ["lunaport/owner"] = owner }
  whole.metadata.labels = merged(whole.metadata.labels, marks)
  for _, template in ipairs(templates({ spec = whole.spec }, {})) do
    template.metadata.labels = merged(template.metadata.labels, marks)
  end
  name_secret(whole.spec, whole.metadata.name)
  return whole
end

return document
