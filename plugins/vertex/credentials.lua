-- Access tokens for Google's APIs: from a service account's key file, or from the metadata of the machine.

local credentials = {}

local scope = "https://www.googleapis.com/auth/cloud-platform"
local grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
-- Seconds: the life of an assertion (Google takes an hour at most), and before a token's end to fetch another.
local life, margin = 3600, 300
-- Seconds that metadata may take: it is on the same machine, or not there.
local near = 3

-- Seconds after which a token may be had again where there was one before.
local again = 10

-- `had`: there was a token at some time.
local cached, had, project

local function none(message, hint)
  return nil, fail { code = "auth", message = message, hint = hint }
end

local function key(ctx)
  local text, err = host.read(ctx.config.key_file)
  if not text then return nil, err end
  local found = host.json.decode(text)
  if type(found) ~= "table" or not found.private_key or not found.client_email or not found.token_uri then
    return none(
      ctx.config.key_file .. " is no key of a service account",
      "make one: gcloud iam service-accounts keys create FILE --iam-account=NAME")
  end
  return found
end

local function host_of(url)
  return string.match(url or "", "^https?://([^/:]+)")
end

local function metadata(ctx, path)
  local answer, err = host.http {
    url = ctx.config.metadata_endpoint .. "/computeMetadata/v1/" .. path, headers = { ["Metadata-Flavor"] = "Google" },
    timeout = near,
  }
  if not answer then
    return none(
      "no service account: no key file is set, and the machine has no metadata: " .. err.message,
      "set `key_file` in the settings of plugin vertex")
  elseif answer.status ~= 200 then
    return none("the machine's metadata answered " .. answer.status .. " for " .. path)
  end
  return answer.body
end

-- A signed assertion for a token, at the place that the key itself names.
local function exchange(ctx)
  local account, err = key(ctx)
  if not account then return nil, err end
  local where = host_of(account.token_uri) or ""
  local is_google = string.find(where, "%.googleapis%.com$") and string.find(account.token_uri, "^https:")
  if not is_google and where ~= host_of(ctx.config.endpoint) then
    -- The assertion opens the account to whoever gets it or listens in.
    return none("the key file names " .. account.token_uri .. " for its tokens, which is not Google's")
  end
  local now = math.floor(host.now())
  local claims = { iss = account.client_email, scope = scope, aud = account.token_uri, iat = now, exp = now + life }
  local jwt
  jwt, err = host.jwt(claims, { key = account.private_key, kid = account.private_key_id })
  if not jwt then return nil, err end
  local answer
  answer, err = host.http {
    method = "POST", url = account.token_uri, form = { grant_type = grant, assertion = jwt },
  }
  if not answer then
    -- A token more or less harms nobody.
    if err.retry == "unknown_effect" then err.retry = "safe" end
    return nil, err
  end
  local body = host.json.decode(answer.body)
  body = type(body) == "table" and body or {}
  if answer.status >= 500 or answer.status == 429 then
    return nil, fail { code = "unavailable", message = "the token endpoint answered " .. answer.status, retry = 5 }
  elseif answer.status ~= 200 or not body.access_token then
    return none(
      "the key of " .. account.client_email .. " was refused: "
        .. (body.error_description or body.error or "status " .. answer.status),
      "the key may have been deleted, or the agent's clock is wrong")
  end
  return body
end

-- The text of a token. Kept until shortly before its end.
function credentials.get(ctx)
  if cached and host.now() < cached.until_ then return cached.text end
  local body, err
  if ctx.config.key_file then
    body, err = exchange(ctx)
  else
    local text
    text, err = metadata(ctx, "instance/service-accounts/default/token")
    body = text and host.json.decode(text)
  end
  local now = host.now()
  if type(body) ~= "table" or not body.access_token then
    err = err or fail { code = "auth", message = "the machine's metadata gave no token" }
    -- Who gives tokens may be away for a moment: the last one is good until it ends, and no run has to fail for it.
    if cached and now < cached.ends then return cached.text end
    if had then err.code, err.retry = "unavailable", again end
    return nil, err
  end
  -- Tokens that live shorter than the margin are used for what they last.
  local lasts = tonumber(body.expires_in) or 0
  cached = { text = body.access_token, until_ = now + math.max(lasts - margin, lasts / 2), ends = now + lasts }
  had = true
  return cached.text
end

-- The service does not take it any more.
function credentials.drop()
  cached = nil
end

function credentials.project(ctx)
  if ctx.config.project then return ctx.config.project end
  if not project then
    local account, err
    if ctx.config.key_file then
      account, err = key(ctx)
      project = account and account.project_id
    else
      project, err = metadata(ctx, "project/project-id")
    end
    if not project then return nil, err end
  end
  return project
end

return credentials
