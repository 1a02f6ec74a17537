-- Images of code and git jobs, by the engine's own builder. An image is named after what went into it: one that is
-- there is not built again.

local context = require "context"
local engine = require "docker/engine"
local images = require "docker/images"
local registries = require "docker/registries"

local builder = {}

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
  return context.key(ctx.config, build)
end

-- What people see of the engine's progress. Layers tell their bytes many times a second: their state is enough.
local function say(progress)
  if progress.stream then
    host.log(progress.stream)
  elseif progress.status and not next(progress.progressDetail or {}) then
    host.log((progress.id and progress.id .. ": " or "") .. progress.status .. "\n")
  end
end

local function make(ctx, build, key, name)
  local config = ctx.config
  local dockerfile, file = context.pack(config, build, key, "context.tar", "-cf")
  if not dockerfile then return nil, file end
  local passwords, failure = registries.all_credentials(ctx)
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
  local name = context.image(config.repository ~= "" and config.repository or "lunaport", build, key)
  local pushed = "pushed/" .. key
  if config.repository ~= "" and host.files.read(pushed) == name then
    if not images.is_lost(ctx, name) then return { image = name } end
    host.log("the registry has lost " .. name .. "\n")
  end
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
