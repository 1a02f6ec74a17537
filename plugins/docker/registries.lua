-- Registries: which one an image's name leads to, and the password that opens it.

local registries = {}

-- Docker Hub, as images name it and as Docker's own configuration does.
local HUB, HUB_KEY = "docker.io", "https://index.docker.io/v1/"
-- Seconds for a credential helper; some of them ask a cloud.
local PATIENCE = 60
-- By these words helpers say that they have nothing for a registry: an image without a password may do.
local NOTHING = "credentials not found"
-- The user's name by which a helper says that its secret is a token that the registry gave.
local TOKEN = "<token>"
-- Characters of a helper's own words that are passed on.
local WORDS = 200

-- The registry that an image's name leads to.
function registries.of(name)
  local first = string.match(name, "^([^/]+)/")
  if first and (string.find(first, "[.:]") or first == "localhost") then return first end
  return HUB
end

-- `https://index.docker.io/v1/` and `https://gcr.io` as images name them.
local function plain(registry)
  registry = string.gsub(string.gsub(registry, "^https?://", ""), "/.*$", "")
  return registry == "index.docker.io" and HUB or registry
end

local function address_of(registry) return registry == HUB and HUB_KEY or registry end

-- Headers of engines: base64 in the alphabet for URLs, with its padding. Some take no other.
local function header(value)
  local text = host.base64.encode(host.json.encode(value))
  return (string.gsub(string.gsub(text, "+", "-"), "/", "_"))
end

-- What a Docker or Podman client keeps of registries; empty where the operator names no such file.
local function kept(ctx)
  local file = ctx.config.auth_file
  if not file then return {} end
  local text, failure = host.read(file)
  if not text then return nil, failure end
  local document = host.json.decode(text)
  if type(document) == "table" then return document end
  return nil, fail {
    code = "config_invalid", message = "`auth_file`, which is " .. file .. ", is no JSON",
    hint = "it is the file that `docker login` or `podman login` writes",
  }
end

-- What a credential helper gives for a registry; nil where it has nothing.
local function ask(helper, registry)
  if not string.find(helper, "^[%w_.-]+$") then
    return nil, fail {
      code = "config_invalid", message = "`" .. helper .. "`, which `auth_file` names, is no credential helper",
      hint = "`ecr-login` there means the program docker-credential-ecr-login",
    }
  end
  local program, address = "docker-credential-" .. helper, address_of(registry)
  local out, failure = host.exec { program, "get", stdin = address, timeout = PATIENCE }
  if not out then
    if failure.code == "not_found" then
      failure.message = "there is no `" .. program .. "` here, which `auth_file` names for " .. registry
      failure.hint = "install it on the agent's PATH, or name a file that has the password itself"
    end
    return nil, failure
  end
  local answer = out.code == 0 and host.json.decode(out.stdout)
  if type(answer) == "table" and type(answer.Username) == "string" and type(answer.Secret) == "string" then
    if answer.Username == TOKEN then return { identitytoken = answer.Secret, serveraddress = address } end
    return { username = answer.Username, password = answer.Secret, serveraddress = address }
  end
  -- Helpers tell their troubles on standard output, too; but an answer that is none may hold a password.
  local said = out.code == 0 and "its answer is none of a helper" or out.stdout .. out.stderr
  if out.timed_out then said = "it took longer than " .. PATIENCE .. " seconds" end
  if out.code ~= 0 and string.find(said, NOTHING, 1, true) then return nil end
  return nil, fail {
    code = "auth",
    message = "`" .. program .. "` gives no password for " .. registry .. ": "
      .. string.sub(string.gsub(said, "%s+$", ""), 1, WORDS),
    hint = "try it as the agent's user: echo " .. address .. " | " .. program .. " get",
    retry = 30,
  }
end

-- What the file itself has.
local function written(document, registry)
  for name, entry in pairs(document.auths or {}) do
    if plain(name) == registry then
      local user, password = string.match(host.base64.decode(entry.auth or "") or "", "^([^:]*):(.*)$")
      local address = address_of(registry)
      if entry.identitytoken then return { identitytoken = entry.identitytoken, serveraddress = address } end
      if user then return { username = user, password = password, serveraddress = address } end
    end
  end
end

-- The login to a registry; nil where there is none. A registry's own helper goes before the one for all, and that
-- before the file, as Docker has it.
local function login(document, registry)
  local helper = document.credsStore
  for name, own in pairs(document.credHelpers or {}) do
    if plain(name) == registry then helper = own end
  end
  if helper and helper ~= "" then
    local found, failure = ask(helper, registry)
    if found or failure then return found, failure end
  end
  return written(document, registry)
end

-- The header that carries the password of an image's registry; nil where the operator gave none.
function registries.credentials(ctx, name)
  local document, failure = kept(ctx)
  if not document then return nil, failure end
  local found
  found, failure = login(document, registries.of(name))
  return found and header(found), failure
end

-- The header that carries all passwords that the file leads to, for a build that pulls what its Dockerfile names.
function registries.all_credentials(ctx)
  local document, failure = kept(ctx)
  if not document then return nil, failure end
  local named, all = {}, {}
  for _, part in ipairs { document.auths or {}, document.credHelpers or {} } do
    for name in pairs(part) do named[plain(name)] = true end
  end
  for registry in pairs(named) do
    local found
    found, failure = login(document, registry)
    if found then all[found.serveraddress] = found end
    -- The build may well need another registry than this.
    if failure then host.log("note: " .. failure.message .. "\n") end
  end
  return next(all) and header(all)
end

return registries
