-- The conversation with a Docker Engine: where it is, which version of its API it speaks, and what its answers mean.

local engine = {}

-- The newest API whose answers are understood here; an older engine is spoken to in its own.
local NEWEST = 44
local DEFAULT = "unix:///var/run/docker.sock"

-- What the engine said of itself: { minor, podman, version, os, arch }. Asked again after it was away.
local known
-- When the engine last went away and came back, on this agent's clock. Lost with the agent's process.
local absence = {}

-- Where to connect: a Unix socket, or a base URL with TLS options.
local function place(ctx)
  local config = ctx.config
  local text = config.endpoint
  if text == "" then
    text = host.env("DOCKER_HOST") or DEFAULT
    if string.sub(text, 1, 7) ~= "unix://" then
      return nil, fail {
        code = "config_invalid",
        message = "DOCKER_HOST is not a Unix socket",
        hint = "name the engine in the setting `endpoint` of plugin " .. ctx.plugin,
      }
    end
  end
  local scheme, rest = string.match(text, "^(%a+)://(.+)$")
  if scheme == "unix" then return { socket = rest, url = "http://docker" } end
  local tls = config.ca or config.cert
  if scheme == "tcp" then scheme = tls and "https" or "http" end
  if scheme ~= "http" and scheme ~= "https" then
    return nil, fail {
      code = "config_invalid",
      message = "the endpoint " .. text .. " is neither unix:// nor tcp://",
      hint = "for ssh, forward the engine's socket with `ssh -L` and name the local one",
    }
  end
  return {
    url = scheme .. "://" .. string.gsub(rest, "/+$", ""),
    tls = scheme == "https" and { ca_file = config.ca, cert_file = config.cert, key_file = config.key } or nil,
  }
end

-- The path of the engine's own socket, which no run may be given; nil where it is reached in another way.
function engine.socket(ctx)
  local at = place(ctx)
  return at and at.socket
end

-- The engine ended a connection that it keeps while it lives, or cannot be reached.
function engine.left()
  known = nil
  if not absence.from or absence.to then absence = { from = host.now() } end
end

-- Whether the engine was away when `time` was, or has just come back then: it ends its programs when it comes back.
function engine.was_away(time)
  local slack = 30
  return absence.from and time >= absence.from - 2 and time <= (absence.to or host.now()) + slack
end

-- `call` is host.http or one of its streams, which gives `each` the parts of the answer.
local function send(ctx, call, request, each)
  local at, failure = place(ctx)
  if not at then return nil, failure end
  request.url = at.url .. request.path
  request.path = nil
  request.socket = at.socket
  request.tls = at.tls
  local answer
  answer, failure = call(request, each)
  if not answer then
    if failure.code == "unavailable" then
      failure.hint = failure.hint or "does the engine run, and may the agent's user use its socket?"
      engine.left()
    end
    return nil, failure
  end
  if absence.from and not absence.to then absence.to = host.now() end
  return answer
end

local function decode(answer)
  local value, failure = host.json.decode(answer.body or "")
  if not value then
    return nil, fail { code = "target_error", message = "the engine answered no JSON", detail = failure.message }
  end
  return value
end

-- What the engine says of itself.
function engine.about(ctx)
  if known then return known end
  local answer, failure = send(ctx, host.http, { path = "/version" })
  if not answer then return nil, failure end
  if answer.status ~= 200 then return engine.refused(answer, "the engine does not tell its version") end
  local version
  version, failure = decode(answer)
  if not version then return nil, failure end
  local newest = tonumber(string.match(version.ApiVersion or "", "^1%.(%d+)$"))
  local oldest = tonumber(string.match(version.MinAPIVersion or "", "^1%.(%d+)$")) or 0
  if not newest then
    return nil, fail { code = "unsupported", message = "what answers there is no Docker Engine" }
  end
  local podman = false
  for _, component in ipairs(version.Components or {}) do
    podman = podman or component.Name == "Podman Engine"
  end
  known = {
    minor = math.max(math.min(NEWEST, newest), oldest),
    podman = podman,
    version = version.Version,
    os = version.Os,
    arch = version.Arch,
  }
  return known
end

local function versioned(ctx, call, request, each)
  local about, failure = engine.about(ctx)
  if not about then return nil, failure end
  request.path = "/v1." .. about.minor .. request.path
  return send(ctx, call, request, each)
end

-- Sends a request to the engine's API: as for host.http, with `path` instead of `url`.
function engine.ask(ctx, request)
  return versioned(ctx, host.http, request)
end

-- The same for answers without an end: `each` is given their lines, or whatever comes.
function engine.lines(ctx, request, each)
  return versioned(ctx, host.http.lines, request, each)
end

function engine.chunks(ctx, request, each)
  return versioned(ctx, host.http.chunks, request, each)
end

-- Asks and decodes: the answer's document, or nil and a failure that begins with `what`.
function engine.get(ctx, path, query, what)
  local answer, failure = engine.ask(ctx, { path = path, query = query })
  if not answer then return nil, failure end
  if answer.status ~= 200 then return engine.refused(answer, what) end
  return decode(answer)
end

-- The engine's own words in an answer that says no.
function engine.words(answer)
  local body = host.json.decode(answer.body or "")
  local text = type(body) == "table" and body.message
  return type(text) == "string" and text or "status " .. answer.status
end

local codes = { [401] = "auth", [403] = "auth", [404] = "not_found", [409] = "conflict", [400] = "config_invalid" }

-- nil and the failure that an answer means.
function engine.refused(answer, what, hint)
  local code = codes[answer.status] or "target_error"
  local retry = "never"
  if answer.status == 503 or answer.status == 429 then code, retry = "unavailable", 5 end
  return nil, fail { code = code, message = what .. ": " .. engine.words(answer), hint = hint, retry = retry }
end

return engine
