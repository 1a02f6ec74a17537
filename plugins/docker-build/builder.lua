-- Images of code and git jobs, by the engine's own builder. An image is named after what went into it: one that is
-- there is not built again.

local engine = require "docker/engine"
local images = require "docker/images"
local registries = require "docker/registries"
local recipe = require "recipe"

local builder = {}

-- Grows when the same source would give another image.
local VERSION = 1
-- Characters of a key that name an image; enough that no two meet.
local TAG = 20
-- Seconds for packing a folder.
local PACKING = 600

function builder.probe(ctx)
  local about, failure = engine.about(ctx)
  if not about then
    return { health = failure.code == "unavailable" and "undetected" or "unhealthy", detail = failure.message }
  end
  return {
    health = "healthy",
    detail = (about.podman and "Podman " or "Docker ") .. about.version .. " on " .. about.os .. "/" .. about.arch,
  }
end

function builder.key(ctx, build)
  local source, config = build.source, ctx.config
  local git = source.git or {}
  return host.sha256(host.json.encode(host.json.list {
    VERSION, source.manifest or "", git.commit or "", git.url or "", git.folder or "", recipe.text(config, build),
    config.dockerfile, config.repository, config.build_args or {},
  }))
end

-- Names are lower case, in groups of letters and digits.
local function image_name(config, build, key)
  local name = string.gsub(string.lower(build.job or "job"), "[^%l%d]+", "-")
  name = string.gsub(name, "^%-+", "")
  name = string.sub(string.gsub(name, "%-+$", ""), 1, 100)
  local repository = config.repository ~= "" and config.repository or "lunaport"
  return repository .. "/" .. (name ~= "" and name or "job") .. ":" .. string.sub(key, 1, TAG)
end

-- What people see of the engine's progress. Layers tell their bytes many times a second: their state is enough.
local function say(progress)
  if progress.stream then
    host.log(progress.stream)
  elseif progress.status and not next(progress.progressDetail or {}) then
    host.log((progress.id and progress.id .. ": " or "") .. progress.status .. "\n")
  end
end

local function tar(...)
  local out, failure = host.exec { "tar", timeout = PACKING, ... }
  if not out then return nil, failure end
  if out.code == 0 then return true end
  return nil, fail { code = "target_error", message = "the job's folder cannot be packed", detail = out.stderr }
end

-- The context of a build: the folder as it is where it has a Dockerfile of its own, else the generated one with the
-- folder beside it. Answers the Dockerfile's path in it.
local function pack(ctx, build, file, key)
  local own, whole = ctx.config.dockerfile, host.files.path(file)
  local words = { "-C", build.folder, "." }
  if own == "" or not tar("-C", build.folder, "-cf", "/dev/null", "./" .. own) then
    own = "Dockerfile"
    host.files.write(key .. "/" .. own, recipe.text(ctx.config, build))
    -- What links point to does not change with the names.
    local rename = "s,^\\.," .. recipe.SOURCE .. ",S"
    words = { "-C", host.files.path(key), own, "--transform", rename, "-C", build.folder, "." }
  end
  local ok, failure = tar(
    "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-cf", whole, table.unpack(words))
  return ok and own, failure
end

local function make(ctx, build, key, name)
  local config, file = ctx.config, key .. "/context.tar"
  host.files.remove(key)
  -- Makes the folder.
  host.files.write(file, "")
  local dockerfile, failure = pack(ctx, build, file, key)
  if not dockerfile then return nil, failure end
  local passwords
  passwords, failure = registries.all_credentials(ctx)
  if failure then return nil, failure end
  return images.move(ctx, {
    method = "POST",
    path = "/build",
    query = {
      t = name, dockerfile = dockerfile, rm = "true", forcerm = "true",
      labels = host.json.encode { ["lunaport.key"] = key },
      buildargs = config.build_args and host.json.encode(config.build_args) or nil,
      networkmode = config.network ~= "" and config.network or nil,
    },
    headers = { ["Content-Type"] = "application/x-tar", ["X-Registry-Config"] = passwords },
    file = file,
    timeout = host.seconds(config.timeout),
  }, "the image cannot be built", say)
end

local function push(ctx, name)
  local password, failure = registries.credentials(ctx, name)
  if failure then return nil, failure end
  local repository, tag = images.split(name)
  host.log("pushing " .. name .. "\n")
  return images.move(ctx, {
    method = "POST",
    path = "/images/" .. repository .. "/push",
    query = { tag = tag },
    -- The engine wants the header where there is no password, too.
    headers = { ["X-Registry-Auth"] = password or "e30=" },
  }, "the image " .. name .. " cannot be pushed", say)
end

function builder.build(ctx, build, key)
  local config = ctx.config
  if config.repository == "" and build.target ~= "docker" then
    return nil, fail {
      code = "config_invalid",
      message = "images for target " .. build.target .. " must be pushed, and the builder has no repository",
      hint = "set `repository` in the settings of plugin " .. ctx.plugin,
    }
  end
  local name = image_name(config, build, key)
  local pushed = "pushed/" .. key
  if config.repository ~= "" and host.files.read(pushed) == name then return { image = name } end
  local there, failure = images.exists(ctx, name)
  if there == nil then return nil, failure end
  if there then
    host.log("the image " .. name .. " is there\n")
  else
    host.log("building " .. name .. "\n")
    local ok
    ok, failure = make(ctx, build, key, name)
    host.files.remove(key)
    if not ok then return nil, failure end
  end
  if config.repository ~= "" then
    local ok
    ok, failure = push(ctx, name)
    if not ok then return nil, failure end
    host.files.write(pushed, name)
  end
  return { image = name }
end

return builder
