-- Whether the cluster can be used from here now: it answers, and gives every right that the driver needs.

local access = require "access"
local api = require "api"
local kinds = require "kinds"

local probe = {}

local function rights(config)
  local list = {
    { group = "", resource = "pods", verbs = { "get", "list", "watch", "delete" } },
    { group = "", resource = "pods", part = "log", verbs = { "get" } },
    { group = "", resource = "events", verbs = { "list" } },
    { group = "", resource = "secrets", verbs = { "create" } },
  }
  for _, kind in ipairs(kinds.all(config)) do
    table.insert(list, 1, {
      group = string.match(kind.api, "^(.*)/") or "", resource = kind.plural,
      verbs = { "create", "get", "list", "patch", "delete" },
    })
  end
  return list
end

local function may(ctx, namespace, right, verb)
  local body, err = api.call(ctx, {
    method = "POST",
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    json = {
      apiVersion = "authorization.k8s.io/v1",
      kind = "SelfSubjectAccessReview",
      spec = { resourceAttributes = {
        namespace = namespace, group = right.group, resource = right.resource, subresource = right.part, verb = verb,
      } },
    },
  })
  if not body then return nil, err end
  return body.status and body.status.allowed == true
end

local function missing(ctx, namespace)
  local found = {}
  for _, right in ipairs(rights(ctx.config)) do
    local verbs = {}
    for _, verb in ipairs(right.verbs) do
      local allowed, err = may(ctx, namespace, right, verb)
      if allowed == nil then return nil, err end
      if not allowed then verbs[#verbs + 1] = verb end
    end
    if verbs[1] then
      local resource = right.resource .. (right.part and "/" .. right.part or "")
      found[#found + 1] = table.concat(verbs, ", ") .. " of " .. resource
    end
  end
  return found
end

function probe.run(ctx)
  local connection, err = access.connection(ctx)
  if not connection then
    return { health = err.code == "not_found" and "undetected" or "unhealthy", detail = err.message }
  end
  local version
  version, err = api.call(ctx, { path = "/version", timeout = 10 })
  if not version then return { health = "unhealthy", detail = err.message } end
  for _, namespace in ipairs(ctx.config.namespaces) do
    local found
    found, err = missing(ctx, namespace)
    if not found then return { health = "unhealthy", detail = err.message } end
    if found[1] then
      return {
        health = "unhealthy",
        detail = "in namespace `" .. namespace .. "` the agent may not: " .. table.concat(found, "; "),
      }
    end
  end
  local detail = "Kubernetes " .. tostring(version.gitVersion) .. " through " .. connection.origin .. ", namespaces "
    .. table.concat(ctx.config.namespaces, ", ")
  if connection.tls.insecure then
    detail = detail .. "; WARNING: the kubeconfig turns off the check of the server's certificate"
  end
  local metrics = api.call(ctx, { path = "/apis/metrics.k8s.io/v1beta1", timeout = 10 })
  return {
    health = "healthy",
    detail = detail,
    attributes = { version = version.gitVersion, namespaces = ctx.config.namespaces },
    lacks = metrics and {} or { "stats" },
  }
end

return probe
