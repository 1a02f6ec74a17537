-- Keys for SageMaker, from where AWS's own programs find them. Roles to assume, single sign-on and programs that print
-- keys (role_arn, sso_*, credential_process) are not followed: each is another service or another permission. They are
-- named in the failure, so that nobody searches for the cause.

local credentials = {}

-- Seconds before their end at which keys are fetched anew.
local margin = 300
-- Seconds for which keys without an end are kept: the file that they are from may be renewed by somebody else.
local keep = 300
-- Seconds that metadata may take: it is on the same machine, or not there.
local near = 3

-- Where pods of EKS find theirs.
local pods, pod_files = "169.254.170.23", "/var/run/secrets/pods.eks.amazonaws.com/"

-- Seconds after which keys that were there before may be there again.
local again = 10

-- `had`: there were keys at some time.
local cached, had

local function none(message, hint)
  return nil, fail { code = "auth", message = message, hint = hint }
end

-- The sections of an INI file: [default], [profile NAME] and [NAME] alike.
local function sections(text)
  local found, section = {}, nil
  for line in string.gmatch(text, "[^\r\n]+") do
    local title = string.match(line, "^%s*%[%s*(.-)%s*%]")
    if title then
      section = string.gsub(title, "^profile%s+", "")
      found[section] = found[section] or {}
    elseif section then
      local key, value = string.match(line, "^%s*([%w_]+)%s*=%s*(.-)%s*$")
      if key then found[section][key] = value end
    end
  end
  return found
end

local function profile(ctx)
  local name, merged, seen = ctx.config.profile or host.env("AWS_PROFILE") or "default", {}, false
  for _, path in ipairs { ctx.config.config_file, ctx.config.credentials_file } do
    local text = host.read(path)
    for key, value in pairs(text and sections(text)[name] or {}) do
      merged[key], seen = value, true
    end
  end
  return seen and merged or nil, name
end

function credentials.region(ctx)
  local region = ctx.config.region or host.env("AWS_REGION") or host.env("AWS_DEFAULT_REGION")
  if not region then
    local found = profile(ctx)
    region = found and found.region
  end
  if region then return region end
  return nil, fail {
    code = "config_invalid", message = "no region is known", hint = "set `region` in the settings of plugin sagemaker",
  }
end

local sources = {}

function sources.environment()
  local key, secret = host.env("AWS_ACCESS_KEY_ID"), host.env("AWS_SECRET_ACCESS_KEY")
  if not key or not secret then return none("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set") end
  return { key = key, secret = secret, token = host.env("AWS_SESSION_TOKEN") }
end

function sources.profile(ctx)
  local found, name = profile(ctx)
  if not found then return none("there is no profile `" .. name .. "` in " .. ctx.config.credentials_file) end
  if found.aws_access_key_id and found.aws_secret_access_key then
    return { key = found.aws_access_key_id, secret = found.aws_secret_access_key, token = found.aws_session_token }
  end
  for key in pairs(found) do
    if key == "role_arn" or key == "credential_process" or string.find(key, "^sso_") then
      return none(
        "profile `" .. name .. "` has no keys but `" .. key .. "`, which this plugin does not follow",
        "give the agent keys in the environment, or a role by its instance or container")
    end
  end
  return none("profile `" .. name .. "` has no keys")
end

-- What instances and containers answer alike.
local function answered(answer, err, from)
  if not answer then return nil, err end
  local found = answer.status == 200 and host.json.decode(answer.body)
  if type(found) ~= "table" or not found.AccessKeyId or not found.SecretAccessKey then
    return none(from .. " gave no keys (status " .. answer.status .. ")")
  end
  return {
    key = found.AccessKeyId, secret = found.SecretAccessKey, token = found.Token,
    ends = found.Expiration and host.time.parse(found.Expiration),
  }
end

local function host_of(url)
  return string.match(url, "^https?://([^/:]+)")
end

function sources.container(ctx)
  local path, url = host.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), host.env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
  if path then url = ctx.config.container_endpoint .. path end
  if not url then return none("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set") end
  if host_of(url) ~= host_of(ctx.config.container_endpoint) and host_of(url) ~= pods then
    return none(
      "the container's credentials are at " .. url .. ", where this plugin does not ask",
      "set `container_endpoint` in the settings of plugin sagemaker, if that is right")
  end
  local headers, file = {}, host.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
  headers.Authorization = host.env("AWS_CONTAINER_AUTHORIZATION_TOKEN")
  if file then
    if string.sub(file, 1, #pod_files) ~= pod_files then
      return none("the container's token is in " .. file .. ", and this plugin reads those below " .. pod_files)
    end
    local token, err = host.read(file)
    if not token then return nil, err end
    headers.Authorization = string.match(token, "^%s*(.-)%s*$")
  end
  local answer, err = host.http { url = url, headers = headers, timeout = near }
  return answered(answer, err, "the container's endpoint")
end

-- Version 2 alone: with version 1 any request that a program can be made to send would do.
function sources.instance(ctx)
  local base = ctx.config.instance_endpoint .. "/latest/"
  local token, err = host.http {
    method = "PUT", url = base .. "api/token", headers = { ["X-aws-ec2-metadata-token-ttl-seconds"] = "300" },
    timeout = near,
  }
  if not token then
    return none("the machine has no instance metadata: " .. err.message)
  elseif token.status ~= 200 then
    return none("the instance's metadata gave no token (status " .. token.status .. ")")
  end
  local headers = { ["X-aws-ec2-metadata-token"] = token.body }
  local url = base .. "meta-data/iam/security-credentials/"
  local role
  role, err = host.http { url = url, headers = headers, timeout = near }
  if not role then return nil, err end
  local name = role.status == 200 and string.match(role.body, "[^\r\n]+")
  if not name then return none("the instance has no role", "give it an instance profile") end
  local answer
  answer, err = host.http { url = url .. name, headers = headers, timeout = near }
  return answered(answer, err, "the instance's metadata")
end

local order = { "environment", "profile", "container", "instance" }

local function fetch(ctx)
  local wanted = ctx.config.credentials
  if wanted ~= "auto" then return sources[wanted](ctx) end
  local reasons = {}
  for _, name in ipairs(order) do
    local found, err = sources[name](ctx)
    if found then return found end
    table.insert(reasons, name .. ": " .. err.message)
  end
  return none("no keys for AWS were found", table.concat(reasons, "; "))
end

-- `{ key, secret, token }`. Kept until shortly before they end.
function credentials.get(ctx)
  if cached and host.now() < cached.until_ then return cached end
  local found, err = fetch(ctx)
  if not found then
    -- Who gives keys may be away for a moment: those of before are good until they end, and no run has to fail for it.
    if cached and cached.ends and host.now() < cached.ends then return cached end
    if had then err.code, err.retry = "unavailable", again end
    return nil, err
  end
  -- Keys that live shorter than the margin are used for what they last.
  local now = host.now()
  found.until_ = found.ends and math.max(found.ends - margin, now + (found.ends - now) / 2) or now + keep
  cached, had = found, true
  return found
end

-- The service says that they have ended. Whether others may be had.
function credentials.drop()
  cached = nil
end

return credentials
