-- Requests to the API server, with its refusals as failures.

local access = require "access"

local api = {}

-- Objects of one page. Most have some 8 KB, but a run's config of 100 KB is in each of its own, and a page has to fit
-- into the plugin's memory twice.
local page = 100
local answer_bytes = 32 * 1024 * 1024

local merge = "application/merge-patch+json"

function api.root(group)
  return string.find(group, "/", 1, true) and "/apis/" .. group or "/api/" .. group
end

-- Where the objects of a handle's kind are.
function api.folder(handle)
  return api.root(handle.api) .. "/namespaces/" .. handle.namespace .. "/" .. handle.plural
end

function api.path(handle)
  return api.folder(handle) .. "/" .. handle.name
end

function api.pods(namespace, name)
  return "/api/v1/namespaces/" .. namespace .. "/pods" .. (name and "/" .. name or "")
end

-- What a refusal means for a run, and whether the same request may come out otherwise later.
local function judge(status, reason, message, method)
  local writes = method ~= "GET"
  if status == 401 then return "auth", 30 end
  if status == 403 then
    if string.find(message, "exceeded quota", 1, true) then return "quota", 30 end
    -- A server that has just come back refuses all until it has read who may what; what a policy refuses stays refused.
    return "auth", string.find(message, "\" cannot ", 1, true) and 5 or "never"
  end
  if status == 404 then return "not_found", "never" end
  if status == 409 then return "conflict", reason == "AlreadyExists" and "never" or "safe" end
  if status == 429 then return "unavailable", 5 end
  if status >= 500 then return "unavailable", writes and "unknown_effect" or "safe" end
  return "config_invalid", "never"
end

local function failure(answer, request)
  local body = host.json.decode(answer.body or "")
  local said = type(body) == "table" and body.message
  local message = said or string.sub(answer.body or "", 1, 500)
  local method = request.method or "GET"
  local code, retry = judge(answer.status, type(body) == "table" and body.reason, message, method)
  local after = tonumber(answer.headers and answer.headers["retry-after"])
  if answer.status == 429 and after then retry = after end
  local hints = {
    auth = answer.status == 401 and "the kubeconfig's credential is refused"
      or "give the agent's user the Role that the documentation of plugin kubernetes lists",
  }
  return fail {
    code = code,
    message = "Kubernetes answers " .. answer.status .. ": " .. message,
    hint = hints[code],
    retry = retry,
  }
end

local function complete(request, connection)
  local headers = { Accept = "application/json" }
  for name, value in pairs(connection.headers or {}) do headers[name] = value end
  if request.patch then headers["Content-Type"] = merge end
  return {
    method = request.method,
    url = connection.server .. request.path,
    query = request.query,
    json = request.patch or request.json,
    headers = headers,
    tls = connection.tls,
    bearer = connection.bearer,
    user = connection.user,
    password = connection.password,
    timeout = request.timeout,
    stall = request.stall,
    limit = request.limit or answer_bytes,
  }
end

-- Calls `send` with the whole request; once more with a new credential where the one in use is refused.
local function authorised(ctx, request, send)
  local answer, err
  for try = 1, 2 do
    local connection
    connection, err = access.connection(ctx, try == 2)
    if not connection then return nil, err end
    answer, err = send(complete(request, connection))
    if not answer then return nil, err end
    if answer.status ~= 401 then break end
  end
  if answer.status >= 200 and answer.status < 300 then return answer end
  return nil, failure(answer, request), answer.status
end

-- The answer's document; nil, a failure and the status where it is refused.
function api.call(ctx, request)
  local answer, err, status = authorised(ctx, request, host.http)
  if not answer then return nil, err, status end
  if request.text then return answer.body end
  return host.json.decode(answer.body)
end

-- Removes the object of a handle, with all that it made; it may be gone already.
function api.remove(ctx, handle)
  local query = { propagationPolicy = "Background" }
  local gone, err, code = api.call(ctx, { method = "DELETE", path = api.path(handle), query = query })
  if not gone and code ~= 404 then return nil, err end
  return true
end

-- Passes the answer's bytes on as they come.
function api.stream(ctx, request, take)
  return authorised(ctx, request, function(whole) return host.http.chunks(whole, take) end)
end

-- Passes the answer's lines on as they come.
function api.lines(ctx, request, take)
  return authorised(ctx, request, function(whole) return host.http.lines(whole, take) end)
end

-- All objects at `path` with the label, in as many pages as it takes; and the version of the list. Of each is kept what
-- `slim` makes of it, where that is given: whole ones, thousands of times, would fill the plugin's memory.
function api.list(ctx, path, selector, slim)
  local items, query = {}, { labelSelector = selector, limit = tostring(page) }
  while true do
    local body, err, status = api.call(ctx, { path = path, query = query })
    if not body then
      -- The pages of a list that grew too old: from its beginning.
      if status == 410 and query.continue then return api.list(ctx, path, selector, slim) end
      return nil, err, status
    end
    for _, item in ipairs(body.items or {}) do items[#items + 1] = slim and slim(item) or item end
    local meta = body.metadata or {}
    if not meta.continue or meta.continue == "" then return items, meta.resourceVersion end
    query.continue = meta.continue
  end
end

return api
