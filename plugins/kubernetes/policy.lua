-- What a queue's document may ask for: nothing that reaches beyond its pods, unless the operator allows it.

local policy = {}

local function is_true(value) return value == true end
local function is_given(value) return type(value) == "table" and next(value) ~= nil end
local function is_unconfined(value) return type(value) == "table" and value.type == "Unconfined" end

-- By key, wherever in the document: a custom resource may keep its pods anywhere.
local asked = {
  hostPath = { "host_path", is_given },
  -- Its hooks run on the node.
  gitRepo = { "host_process", is_given },
  hostNetwork = { "host_network", is_true },
  hostPort = { "host_network", function(value) return value ~= 0 end },
  hostPID = { "host_process", is_true },
  hostIPC = { "host_process", is_true },
  hostProcess = { "privileged", is_true },
  privileged = { "privileged", is_true },
  allowPrivilegeEscalation = { "privileged", is_true },
  procMount = { "privileged", function(value) return value ~= "Default" end },
  seccompProfile = { "privileged", is_unconfined },
  appArmorProfile = { "privileged", is_unconfined },
  add = { "capabilities", function(value, parent) return parent == "capabilities" and is_given(value) end },
  automountServiceAccountToken = { "service_account_token", is_true },
  serviceAccountToken = { "service_account_token", is_given },
}

local accounts = { serviceAccountName = true, serviceAccount = true }

local function has(list, wanted)
  for _, item in ipairs(list) do
    if item == wanted then return true end
  end
  return false
end

local function refusal(path, what, setting)
  return fail {
    code = "config_invalid",
    message = "`" .. path .. "` of the resource asks for " .. what .. ", which this agent does not allow",
    hint = "take it out, or have the operator add it to `" .. setting .. "` in the settings of plugin kubernetes",
  }
end

local function walk(config, value, path, parent)
  for key, item in pairs(value) do
    local here = type(key) == "number" and string.format("%s[%d]", path, key) or path .. "." .. key
    local rule = asked[key]
    if rule and rule[2](item, parent) and not has(config.allow, rule[1]) then
      return refusal(here, "`" .. rule[1] .. "`", "allow")
    end
    if accounts[key] and type(item) == "string" and not has(config.service_accounts, item) then
      return refusal(here, "the service account `" .. item .. "`", "service_accounts")
    end
    -- How seccomp and AppArmor are turned off in older versions.
    if parent == "annotations" and item == "unconfined" and not has(config.allow, "privileged") then
      return refusal(here, "`privileged`", "allow")
    end
    if type(item) == "table" then
      local err = walk(config, item, here, key)
      if err then return err end
    end
  end
end

-- The failure for what the document asks and may not have; nil where it may.
function policy.refuses(config, document)
  return walk(config, document, "spec")
end

function policy.namespace(config, wanted)
  local namespace = wanted or config.namespaces[1]
  if has(config.namespaces, namespace) then return namespace end
  return nil, fail {
    code = "config_invalid",
    message = "this agent does not use the namespace `" .. namespace .. "`",
    hint = "its operator lists those it uses in `namespaces` in the settings of plugin kubernetes: "
      .. table.concat(config.namespaces, ", "),
  }
end

return policy
