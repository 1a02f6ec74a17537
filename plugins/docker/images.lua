-- Images: their names, and getting them there.

local engine = require "engine"
local registries = require "registries"

local images = {}

-- Seconds without a word from the engine while it pulls or pushes.
local STALL = 600

-- Repository and tag; the tag is nil where the image is named by its digest.
function images.split(name)
  if string.find(name, "@", 1, true) then return name end
  local repository, tag = string.match(name, "^(.*):([^/:]+)$")
  if repository then return repository, tag end
  return name, "latest"
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
  local password, failure = registries.credentials(ctx, name)
  if failure then return nil, failure end
  local repository, tag = images.split(name)
  return images.move(ctx, {
    method = "POST",
    path = "/images/create",
    query = { fromImage = repository, tag = tag, platform = platform },
    headers = { ["X-Registry-Auth"] = password },
  }, "the image " .. name .. " cannot be pulled")
end

-- Seconds that a registry may take to say whether it has an image.
local ASK = 10

-- Whether the registry has lost an image that was pushed; false where nobody can say.
function images.is_lost(ctx, name)
  local password = registries.credentials(ctx, name)
  local answer = engine.ask(ctx, {
    path = "/distribution/" .. name .. "/json", headers = { ["X-Registry-Auth"] = password }, timeout = ASK,
  })
  -- An engine that has no such question answers 404, too.
  return answer ~= nil and answer.status == 404 and string.find(engine.words(answer), "%f[%a]unknown%f[%A]") ~= nil
end

-- Whether the engine has an image.
function images.exists(ctx, name)
  local answer, failure = engine.ask(ctx, { path = "/images/" .. name .. "/json" })
  if not answer then return nil, failure end
  if answer.status == 200 or answer.status == 404 then return answer.status == 200 end
  return engine.refused(answer, "the engine does not tell whether it has " .. name)
end

return images
