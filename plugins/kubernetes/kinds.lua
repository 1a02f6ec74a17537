-- The kinds of objects that runs become: Jobs, and what the operator lists. How the state of a custom resource is read
-- is declared, by the queue or here for kinds that many use.

local kinds = {}

local job = { api = "batch/v1", kind = "Job", plural = "jobs", is_job = true }

local function condition(type)
  return { path = "status.conditions[type=" .. type .. "].status", equals = "True" }
end

local kubeflow = {
  running = condition "Running",
  succeeded = condition "Succeeded",
  failed = condition "Failed",
  message = "status.conditions[type=Failed].message",
  stop = { path = "spec.runPolicy.suspend", value = true },
}

local known = {
  ["kubeflow.org/PyTorchJob"] = kubeflow,
  ["kubeflow.org/TFJob"] = kubeflow,
  ["kubeflow.org/XGBoostJob"] = kubeflow,
  ["kubeflow.org/MPIJob"] = kubeflow,
  ["batch.volcano.sh/Job"] = {
    running = { path = "status.state.phase", equals = { "Running", "Completing", "Restarting" } },
    succeeded = { path = "status.state.phase", equals = "Completed" },
    failed = { path = "status.state.phase", equals = { "Failed", "Aborted", "Terminated" } },
    message = "status.state.message",
  },
  ["jobset.x-k8s.io/JobSet"] = {
    succeeded = condition "Completed",
    failed = condition "Failed",
    message = "status.conditions[type=Failed].message",
    stop = { path = "spec.suspend", value = true },
  },
}

-- All kinds that this agent may use.
function kinds.all(config)
  local list = { job }
  for _, one in ipairs(config.kinds) do
    list[#list + 1] = {
      api = one.apiVersion,
      kind = one.kind,
      plural = one.plural or string.lower(one.kind) .. "s",
      status = known[string.match(one.apiVersion, "^[^/]*") .. "/" .. one.kind],
    }
  end
  return list
end

function kinds.find(config, api, kind)
  local names = {}
  for _, one in ipairs(kinds.all(config)) do
    if one.api == api and one.kind == kind then return one end
    names[#names + 1] = one.api .. " " .. one.kind
  end
  return nil, fail {
    code = "config_invalid",
    message = "this agent does not run objects of `" .. tostring(api) .. " " .. tostring(kind) .. "`",
    hint = "it runs " .. table.concat(names, ", ")
      .. "; its operator lists others in `kinds` in the settings of plugin kubernetes",
  }
end

-- The value at a path such as `status.conditions[type=Failed].message` or `status.replicas[0]`.
function kinds.value(object, path)
  local value = object
  for part in string.gmatch(path, "[^.]+") do
    local key, pick = string.match(part, "^([^%[]*)%[(.-)%]$")
    if type(value) ~= "table" then return nil end
    value = value[key or part]
    if pick then
      local name, wanted = string.match(pick, "^(.-)=(.*)$")
      local index, found = tonumber(pick), nil
      if type(value) ~= "table" then return nil end
      if index then
        found = value[index + 1]
      else
        for _, item in ipairs(value) do
          if type(item) == "table" and tostring(item[name]) == wanted then found = item end
        end
      end
      value = found
    end
  end
  return value
end

-- Whether a declared condition holds for an object.
function kinds.holds(object, declared)
  if not declared then return false end
  local value = kinds.value(object, declared.path)
  if value == nil then return false end
  local wanted = declared.equals
  if wanted == nil then wanted = "True" end
  for _, one in ipairs(type(wanted) == "table" and wanted or { wanted }) do
    if tostring(value) == tostring(one) then return true end
  end
  return false
end

-- What an annotation of ours says.
function kinds.note(object, name)
  return object.metadata and object.metadata.annotations and object.metadata.annotations["lunaport/" .. name]
end

-- A merge patch that sets `value` at a plain path.
function kinds.patch(path, value)
  local parts = {}
  for part in string.gmatch(path, "[^.]+") do parts[#parts + 1] = part end
  for i = #parts, 1, -1 do value = { [parts[i]] = value } end
  return value
end

return kinds
