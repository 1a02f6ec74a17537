-- Calls of Vertex AI and Cloud Logging, and what their errors mean.

local credentials = require "credentials"
local pacing = require "sagemaker/pacing"

local api = {}

local function failure(service, what, answer, effect)
  local body = host.json.decode(answer.body)
  local said = type(body) == "table" and body.error or {}
  local text = type(said) == "table" and said.message or tostring(said)
  local kind = type(said) == "table" and said.status or ""
  local message = what .. ": " .. (text or "status " .. answer.status)
  if answer.status == 429 then
    -- The same status for calls in a minute, which come back soon, and for machines of a project, which do not.
    return fail {
      code = "quota", message = message, retry = pacing.refused(service, answer),
      hint = "if it stays: ask for more quota in Google's console, or set a lower `concurrency` for the queue",
    }
  elseif answer.status == 401 then
    return fail { code = "auth", message = message, hint = "the service account's token was refused" }
  elseif answer.status == 403 then
    return fail {
      code = "auth", message = message,
      hint = "give the agent's service account `roles/aiplatform.user`, and `roles/logging.viewer` for output",
    }
  elseif answer.status == 404 then
    return fail { code = "not_found", message = message }
  elseif kind == "FAILED_PRECONDITION" or answer.status == 409 then
    return fail { code = "conflict", message = message }
  elseif answer.status >= 500 then
    return fail { code = "unavailable", message = message, retry = effect and "unknown_effect" or "safe" }
  end
  return fail { code = "config_invalid", message = message }
end

-- `request` as for host.http, without its credentials; `what` names it in messages. `effect`: the call makes something,
-- so that an answer which did not arrive leaves open whether it did.
local function call(ctx, service, request, what, effect)
  local ok, err = pacing.may_ask(service, what)
  if not ok then return nil, err end
  local is_second = false
  while true do
    local token, answer
    token, err = credentials.get(ctx)
    if not token then return nil, err end
    request.bearer = token
    answer, err = host.http(request)
    if not answer then
      if not effect and err.retry == "unknown_effect" then err.retry = "safe" end
      return nil, err
    elseif answer.status == 200 then
      pacing.answered(service)
      return host.json.decode(answer.body) or {}
    elseif answer.status ~= 401 or is_second then
      return nil, failure(service, what, answer, effect)
    end
    is_second = true
    credentials.drop()
  end
end

-- `projects/P/locations/L`, where new jobs go.
function api.parent(ctx)
  if not ctx.config.location then
    return nil, fail {
      code = "config_invalid", message = "no location is set",
      hint = "set `location` in the settings of plugin vertex",
    }
  end
  local project, err = credentials.project(ctx)
  if not project then return nil, err end
  return "projects/" .. project .. "/locations/" .. ctx.config.location
end

-- A call below the resource `name`: a job is asked for in the location that it is in, whatever the settings say now.
function api.vertex(ctx, method, name, options, what)
  local location = string.match(name, "/locations/([^/]+)")
  local base = ctx.config.endpoint or "https://" .. location .. "-aiplatform.googleapis.com"
  local request = { method = method, url = base .. "/v1/" .. name, query = options.query, json = options.json }
  return call(ctx, "vertex", request, what, options.effect)
end

function api.logs(ctx, query)
  local request = { method = "POST", url = ctx.config.logs_endpoint .. "/v2/entries:list", json = query }
  return call(ctx, "logs", request, "Cloud Logging")
end

return api
