-- Where the API server is and who asks it: what a kubeconfig says, or the service account of the agent's own pod.

local access = {}

local account = "/var/run/secrets/kubernetes.io/serviceaccount/"
-- Tokens in files are replaced by whoever issues them; read again this often, a new one is used before the old ends.
local reread_seconds = 60
-- A token is not used in the last moments of its life: the request takes time, and clocks differ.
local expiry_margin_seconds = 30

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

local function named(list, name)
  for _, item in ipairs(list or {}) do
    if item.name == name then return item end
  end
end

-- A file that the kubeconfig names; relative ones lie beside it.
local function read(path, folder)
  if string.sub(path, 1, 1) ~= "/" then path = folder .. path end
  -- It raises where the plugin may not read there, which is for the operator to mend.
  local is_allowed, text, err = pcall(host.read, path)
  if is_allowed and text then return text end
  return invalid("`" .. path .. "`, which the kubeconfig names, cannot be read: "
    .. (is_allowed and err.message or "the plugin may not read there"),
    "name its folder in the setting `files`, or put its text into the kubeconfig")
end

-- `certificate-authority-data` holds base64, `certificate-authority` names a file.
local function material(source, key, folder)
  local data, path = source[key .. "-data"], source[key]
  if data then
    local text = host.base64.decode(data)
    if not text then return invalid("`" .. key .. "-data` of the kubeconfig is no base64") end
    return text
  end
  if path then return read(path, folder) end
end

-- A program that answers with a credential: `client.authentication.k8s.io`.
local function ask(exec, cluster)
  local name = string.match(exec.command or "", "([^/]+)$")
  if not name then return invalid("the kubeconfig names no program in `exec.command`") end
  local info = { apiVersion = exec.apiVersion, kind = "ExecCredential", spec = { interactive = false } }
  if exec.provideClusterInfo then
    info.spec.cluster = {
      server = cluster.server,
      ["certificate-authority-data"] = cluster["certificate-authority-data"],
      ["tls-server-name"] = cluster["tls-server-name"],
      ["insecure-skip-tls-verify"] = cluster["insecure-skip-tls-verify"],
    }
  end
  local command = { name, env = { KUBERNETES_EXEC_INFO = host.json.encode(info) }, timeout = 60 }
  for _, argument in ipairs(exec.args or {}) do command[#command + 1] = tostring(argument) end
  for _, variable in ipairs(exec.env or {}) do command.env[variable.name] = variable.value end
  local is_allowed, out, err = pcall(host.exec, command)
  if not is_allowed then
    return invalid("the kubeconfig gets its credential from `" .. name .. "`, which the plugin may not run",
      "it may run the programs that `lunaport plugin doc` lists under permissions; or give a token in `tokenFile`")
  end
  if not out then
    err.hint = exec.installHint or err.hint
    return nil, err
  end
  local credential = out.code == 0 and host.json.decode(out.stdout)
  local status = type(credential) == "table" and credential.status
  if not status or not (status.token or status.clientCertificateData) then
    return nil, fail {
      code = "auth",
      message = "`" .. name .. "`, which the kubeconfig names, gave no credential (exit code " .. out.code .. ")",
      detail = out.stderr,
      hint = exec.installHint or "run it by hand on the agent's machine",
      retry = 30,
    }
  end
  return status
end

local function in_pod()
  local name, port = host.env("KUBERNETES_SERVICE_HOST"), host.env("KUBERNETES_SERVICE_PORT") or "443"
  if not name then return nil end
  local token, err = host.read(account .. "token")
  if not token then return nil, err end
  local ca = host.read(account .. "ca.crt")
  if string.find(name, ":", 1, true) then name = "[" .. name .. "]" end
  return {
    server = "https://" .. name .. ":" .. port,
    tls = { ca = ca },
    bearer = string.gsub(token, "%s+$", ""),
    expires = host.now() + reread_seconds,
    origin = "the agent's own service account",
  }
end

local function identify(connection, user, cluster, folder)
  local err
  connection.tls.cert, err = material(user, "client-certificate", folder)
  if err then return nil, err end
  connection.tls.key, err = material(user, "client-key", folder)
  if err then return nil, err end
  connection.user, connection.password = user.username, user.password
  if user.tokenFile then
    connection.bearer, err = read(user.tokenFile, folder)
    if err then return nil, err end
    connection.bearer = string.gsub(connection.bearer, "%s+$", "")
    connection.expires = host.now() + reread_seconds
  elseif user.token then
    connection.bearer = user.token
  elseif user.exec then
    local status, failure = ask(user.exec, cluster)
    if not status then return nil, failure end
    connection.bearer = status.token
    connection.tls.cert = status.clientCertificateData or connection.tls.cert
    connection.tls.key = status.clientKeyData or connection.tls.key
    local ends = status.expirationTimestamp and host.time.parse(status.expirationTimestamp)
    connection.expires = ends and ends - expiry_margin_seconds
  elseif user["auth-provider"] then
    return invalid("the kubeconfig uses `auth-provider`, which Kubernetes has given up",
      "use the `exec` plugin of your provider")
  end
  if user["as-groups"] or user["as-uid"] or user["as-user-extra"] then
    -- Without them the server would take the agent for another than it is meant to be.
    return invalid("the kubeconfig acts `as` somebody with groups, which is not supported",
      "let `as` name a user alone, and give that user the rights")
  end
  if user.as then connection.headers = { ["Impersonate-User"] = user.as } end
  return connection
end

local function from_kubeconfig(ctx, path)
  local text, err = host.read(path)
  if not text then return nil, err end
  local document = host.yaml.decode(text)
  if type(document) ~= "table" then return invalid("`" .. path .. "` is no kubeconfig") end
  local name = ctx.config.context or document["current-context"]
  local context = named(document.contexts, name)
  if not context then
    return invalid("`" .. path .. "` has no context `" .. tostring(name) .. "`", "see `kubectl config get-contexts`")
  end
  context = context.context or {}
  local cluster, user = named(document.clusters, context.cluster), named(document.users, context.user)
  if not cluster or not user then
    return invalid("context `" .. name .. "` of `" .. path .. "` names a cluster or user that is not there")
  end
  cluster, user = cluster.cluster or {}, user.user or {}
  if not cluster.server then return invalid("the cluster of context `" .. name .. "` has no `server`") end
  if cluster["proxy-url"] then return invalid("`proxy-url` of a kubeconfig is not supported") end
  local folder = string.match(path, "^(.*/)") or ""
  local connection = {
    server = string.gsub(cluster.server, "/+$", ""),
    tls = { server_name = cluster["tls-server-name"], insecure = cluster["insecure-skip-tls-verify"] == true },
    origin = "context " .. name,
  }
  connection.tls.ca, err = material(cluster, "certificate-authority", folder)
  if err then return nil, err end
  return identify(connection, user, cluster, folder)
end

local function connect(ctx)
  if ctx.config.kubeconfig then return from_kubeconfig(ctx, ctx.config.kubeconfig) end
  local variable = host.env("KUBECONFIG")
  if variable and variable ~= "" then
    if not string.find(variable, "/.kube/", 1, true) or string.find(variable, ":", 1, true) then
      -- Another cluster than the one that people see must not be taken in its stead.
      return invalid("KUBECONFIG of the agent's environment names `" .. variable .. "`",
        "name that one file in the setting `kubeconfig`")
    end
    return from_kubeconfig(ctx, variable)
  end
  local connection, err = in_pod()
  if connection or err then return connection, err end
  return from_kubeconfig(ctx, "~/.kube/config")
end

local current

-- The connection to use now. `fresh`: the one in use was refused.
function access.connection(ctx, fresh)
  if fresh or not current or (current.expires and current.expires <= host.now()) then
    local connection, err = connect(ctx)
    if not connection then
      if err.code == "not_found" then err.hint = "set `kubeconfig` in the settings of plugin " .. ctx.plugin end
      return nil, err
    end
    current = connection
  end
  return current
end

return access
