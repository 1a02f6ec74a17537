-- Images: their names, the passwords of their registries, and getting them there.

local engine = require "engine"

local images = {}

-- Seconds without a word from the engine while it pulls or pushes.
local STALL = 600
-- Docker Hub, as images name it and as Docker's own configuration does.
local HUB, HUB_KEY = "docker.io", "https://index.docker.io/v1/"

-- Repository and tag; the tag is nil where the image is named by its digest.
function images.split(name)
  if string.find(name, "@", 1, true) then return name end
  local repository, tag = string.match(name, "^(.*):([^/:]+)$")
  if repository then return repository, tag end
  return name, "latest"
end

-- The registry that an image's name leads to.
function images.registry(name)
  local first = string.match(name, "^([^/]+)/")
  if first and (string.find(first, "[.:]") or first == "localhost") then return first end
  return HUB
end

-- Headers of engines: base64 in the alphabet for URLs, with its padding. Some take no other.
local function header(value)
  local text = host.base64.encode(host.json.encode(value))
  return (string.gsub(string.gsub(text, "+", "-"), "/", "_"))
end

-- What a Docker or Podman client keeps of registries, by name; empty where the operator names no such file.
local function auths(ctx)
  local file = ctx.config.auth_file
  if not file then return {} end
  local text, failure = host.read(file)
  if not text then return nil, failure end
  local found = {}
  for registry, entry in pairs((host.json.decode(text) or {}).auths or {}) do
    registry = string.gsub(string.gsub(registry, "^https?://", ""), "/.*$", "")
    if registry == "index.docker.io" then registry = HUB end
    local user, password = string.match(host.base64.decode(entry.auth or "") or "", "^([^:]*):(.*)$")
    if user then
      local address = registry == HUB and HUB_KEY or registry
      found[registry] = { username = user, password = password, serveraddress = address }
    end
  end
  return found
end

-- The header that carries the password of an image's registry; nil where the operator gave none.
function images.credentials(ctx, name)
  local found, failure = auths(ctx)
  if not found then return nil, failure end
  local entry = found[images.registry(name)]
  return entry and header(entry)
end

-- The header that carries all passwords, for a build that pulls what its Dockerfile names.
function images.all_credentials(ctx)
  local found, failure = auths(ctx)
  if not found then return nil, failure end
  local all = {}
  for _, entry in pairs(found) do all[entry.serveraddress] = entry end
  return next(all) and header(all)
end

local causes = {
  -- A step of a build: its own words may be about anything.
  { "target_error", { "returned a non-zero code", "while running runtime" } },
  { "auth", { "unauthorized", "authentication", "credentials", "denied", "forbidden" } },
  { "not_found", { "not found", "manifest unknown", "does not exist", "no such image", "name unknown" } },
  { "unavailable", { "dial tcp", "no such host", "timeout", "connection", "eof", "tls", "toomanyrequests" } },
}
local hints = {
  auth = "give the registry's password in `auth_file` of the plugin's settings",
  not_found = "is the name of the image right, and was it pushed?",
  unavailable = "is the registry there, and does the engine's machine reach it?",
}

local function code_of(words)
  local lower = string.lower(words)
  for _, cause in ipairs(causes) do
    for _, sign in ipairs(cause[2]) do
      if string.find(lower, sign, 1, true) then return cause[1] end
    end
  end
  return "target_error"
end

-- The failure that an engine's words on an image mean.
function images.failure(what, words)
  local code = code_of(words)
  return fail {
    code = code, message = what .. ": " .. string.gsub(words, "%s+$", ""), hint = hints[code],
    retry = code == "unavailable" and 10 or "never",
  }
end

-- Moves an image, with the progress as JSON lines; Podman tells a failure in them under status 200. `say`, where given,
-- is handed each line.
function images.move(ctx, request, what, say)
  local words
  request.stall = STALL
  local answer, failure = engine.lines(ctx, request, function(line)
    local progress = host.json.decode(line)
    if type(progress) ~= "table" then return end
    if progress.error then
      local detail = type(progress.errorDetail) == "table" and progress.errorDetail.message
      words = type(progress.error) == "string" and progress.error or detail or "no reason given"
    end
    if say then say(progress) end
  end)
  if not answer then return nil, failure end
  if answer.status >= 300 then words = engine.words(answer) end
  if words then return nil, images.failure(what, words) end
  return true
end

-- Gets an image from its registry.
function images.pull(ctx, name, platform)
  local password, failure = images.credentials(ctx, name)
  if failure then return nil, failure end
  local repository, tag = images.split(name)
  return images.move(ctx, {
    method = "POST",
    path = "/images/create",
    query = { fromImage = repository, tag = tag, platform = platform },
    headers = { ["X-Registry-Auth"] = password },
  }, "the image " .. name .. " cannot be pulled")
end

-- Whether the engine has an image.
function images.exists(ctx, name)
  local answer, failure = engine.ask(ctx, { path = "/images/" .. name .. "/json" })
  if not answer then return nil, failure end
  if answer.status == 200 or answer.status == 404 then return answer.status == 200 end
  return engine.refused(answer, "the engine does not tell whether it has " .. name)
end

return images
