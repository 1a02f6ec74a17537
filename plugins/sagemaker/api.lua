-- Calls of SageMaker and CloudWatch Logs, and what their errors mean.

local credentials = require "credentials"
local pacing = require "pacing"

local api = {}

-- Seconds after which a limit of the account may leave room.
local room = 60

local services = {
  sagemaker = { signs = "sagemaker", target = "SageMaker.", setting = "endpoint", host = "api.sagemaker" },
  logs = { signs = "logs", target = "Logs_20140328.", setting = "logs_endpoint", host = "logs" },
}

-- Temporary keys have ended, or were replaced: others may be there by now.
local expired = {
  ExpiredToken = true, ExpiredTokenException = true, RequestExpired = true, UnrecognizedClientException = true,
  InvalidClientTokenId = true,
}
local throttled = {
  Throttling = true, ThrottlingException = true, ThrottledException = true, TooManyRequestsException = true,
  RequestLimitExceeded = true, RequestThrottled = true, LimitExceededException = true,
}
local denied = {
  ExpiredToken = "the agent's temporary keys have ended: renew them",
  ExpiredTokenException = "the agent's temporary keys have ended: renew them",
  RequestExpired = "the agent's temporary keys have ended, or its clock is wrong",
  AccessDenied = "the agent's identity lacks this permission; see its IAM policy",
  AccessDeniedException = "the agent's identity lacks this permission; see its IAM policy",
  UnrecognizedClientException = "the access key is not known in this region",
  InvalidClientTokenId = "the access key is not known in this region",
  InvalidSignatureException = "the secret key is not that of the access key, or the agent's clock is wrong",
  SignatureDoesNotMatch = "the secret key is not that of the access key, or the agent's clock is wrong",
  IncompleteSignatureException = "the settings of plugin sagemaker name the endpoint of another service",
  MissingAuthenticationTokenException = "the settings of plugin sagemaker name the endpoint of another service",
  OptInRequired = "the account is not signed up for this region",
}

-- `__type` may come with a namespace, `message` with a capital.
local function said(answer)
  local body = host.json.decode(answer.body)
  body = type(body) == "table" and body or {}
  -- Some say it in XML, as do those that stand before the service.
  local kind = body.__type or answer.headers["x-amzn-errortype"] or string.match(answer.body, "<Code>(.-)</Code>")
  kind = string.match(string.match(kind or "", "[^#]*$"), "^[^:]*")
  local text = body.message or body.Message or string.match(answer.body, "<Message>(.-)</Message>")
  return kind, text or "status " .. answer.status
end

local function failure(service, operation, answer, kind, text, effect)
  local message = operation .. ": " .. (kind ~= "" and kind .. ": " or "") .. text
  if throttled[kind] or answer.status == 429 then
    return fail { code = "unavailable", message = message, retry = pacing.refused(service, answer) }
  elseif denied[kind] then
    return fail { code = "auth", message = message, hint = denied[kind] }
  elseif kind == "ResourceLimitExceeded" then
    return fail {
      code = "quota", message = message, retry = room,
      hint = "ask for more in AWS's Service Quotas, or set a lower `concurrency` for the queue",
    }
  elseif kind == "ResourceInUse" or kind == "ConflictException" then
    return fail { code = "conflict", message = message }
  elseif string.find(kind, "^ResourceNotFound") or string.find(text, "not found", 1, true) then
    return fail { code = "not_found", message = message }
  elseif answer.status >= 500 then
    return fail { code = "unavailable", message = message, retry = effect and "unknown_effect" or "safe" }
  end
  return fail { code = "config_invalid", message = message }
end

-- Answers the document, or nil, the failure and AWS's own name of the error. `effect`: the call makes something, so
-- that an answer which did not arrive leaves open whether it did.
function api.call(ctx, service, operation, doc, effect)
  local known = services[service]
  local ok, err = pacing.may_ask(service, operation)
  if not ok then return nil, err end
  local region
  region, err = credentials.region(ctx)
  if not region then return nil, err end
  local suffix = string.find(region, "^cn%-") and ".amazonaws.com.cn" or ".amazonaws.com"
  local used = false
  while true do
    local keys, answer
    keys, err = credentials.get(ctx)
    if not keys then return nil, err end
    answer, err = host.http {
      method = "POST",
      url = (ctx.config[known.setting] or "https://" .. known.host .. "." .. region .. suffix) .. "/",
      headers = { ["Content-Type"] = "application/x-amz-json-1.1", ["X-Amz-Target"] = known.target .. operation },
      json = doc,
      aws = { region = region, service = known.signs, key = keys.key, secret = keys.secret, token = keys.token },
    }
    if not answer then
      if not effect and err.retry == "unknown_effect" then err.retry = "safe" end
      return nil, err
    elseif answer.status == 200 then
      pacing.answered(service)
      return host.json.decode(answer.body) or {}
    end
    local kind, text = said(answer)
    if not expired[kind] or used then
      return nil, failure(service, operation, answer, kind, text, effect), kind
    end
    used = true
    credentials.drop()
  end
end

return api
