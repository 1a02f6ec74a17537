-- Containers of a Docker Engine. What the engine keeps of a container is all that there is to know of a run: labels say
-- whose it is, and its name is made of the token, so that no two can be started with one.

local containers = require "containers"
local document = require "document"
local engine = require "engine"
local images = require "images"
local output = require "output"
local usage = require "usage"

local driver = {}

-- Seconds that the engine may take to make and start a container, with a large image on a slow disk.
local START = 110
-- Seconds of grace that a call waits for; a longer one the engine keeps by itself.
local GRACE = 60

local function container(handle)
  return "/containers/" .. handle.id
end

function driver.probe(ctx)
  local about, failure = engine.about(ctx)
  if not about then
    return { health = failure.code == "unavailable" and "undetected" or "unhealthy", detail = failure.message }
  end
  local info
  info, failure = engine.get(ctx, "/info", nil, "the engine does not tell of itself")
  if not info then return { health = "unhealthy", detail = failure.message } end
  local lacks = {}
  local gpu = ctx.config.gpu == "yes" or ctx.config.gpu == "auto" and (info.Runtimes or {}).nvidia ~= nil
  if not gpu then lacks[#lacks + 1] = "gpu" end
  if info.MemoryLimit == false then lacks[#lacks + 1] = "limit.memory" end
  if info.CpuCfsQuota == false then lacks[#lacks + 1] = "limit.cpu" end
  return {
    health = "healthy",
    detail = (about.podman and "Podman " or "Docker ") .. about.version .. " on " .. about.os .. "/" .. about.arch,
    attributes = {
      engine = about.podman and "podman" or "docker", version = about.version, os = about.os, arch = about.arch,
      cpus = info.NCPU, memory = info.MemTotal, runtime = info.DefaultRuntime,
    },
    lacks = lacks,
  }
end

function driver.plan(ctx, run)
  return document.of(ctx, run, engine.socket(ctx))
end

-- Makes the container, with its image got first where it is missing.
local function create(ctx, spec, token)
  local about, failure = engine.about(ctx)
  if not about then return nil, failure end
  local body, image = containers.body(spec, token, about.podman), spec.create.Image
  local request = function()
    return engine.ask(ctx, {
      method = "POST", path = "/containers/create", timeout = START, json = body,
      query = { name = containers.name(token), platform = spec.platform },
    })
  end
  local ok
  if spec.pull == "always" then
    -- Made already, it needs no image any more, and the registry may be away.
    local seen
    seen, failure = containers.inspect(ctx, containers.name(token))
    if seen then return containers.id_of(ctx, token) end
    if failure.code ~= "not_found" then return nil, failure end
    ok, failure = images.pull(ctx, image, spec.platform)
    if not ok then return nil, failure end
  end
  local answer
  answer, failure = request()
  if not answer then return nil, failure end
  if answer.status == 404 and containers.no_image(answer) then
    if spec.pull == "never" then
      return engine.refused(
        answer, "the engine does not have the image", "pull it there, or let the queue set Pull = \"missing\"")
    end
    ok, failure = images.pull(ctx, image, spec.platform)
    if not ok then return nil, failure end
    answer, failure = request()
    if not answer then return nil, failure end
  end
  if answer.status == 201 then return host.json.decode(answer.body).Id end
  if containers.is_taken(answer) then return containers.id_of(ctx, token) end
  return engine.refused(answer, "the engine does not make the container")
end

function driver.start(ctx, spec, token)
  local id, failure = create(ctx, spec, token)
  if not id then return nil, failure end
  local handle = { id = id, token = token }
  local seen
  seen, failure = containers.inspect(ctx, id)
  if not seen then return nil, failure end
  -- One that has run is not run again: the token stands for one execution.
  if not containers.is_new(seen.State.Status) then return handle end
  local answer
  answer, failure = engine.ask(ctx, { method = "POST", path = container(handle) .. "/start", timeout = START })
  if not answer then return nil, failure end
  if answer.status == 204 or answer.status == 304 then return handle end
  -- Nothing ran, and nothing must be left.
  driver.forget(ctx, handle)
  return containers.not_started(answer, spec)
end

function driver.find(ctx, token)
  local seen, failure = containers.inspect(ctx, containers.name(token))
  if failure and failure.code == "not_found" then return nil end
  if failure then return nil, failure end
  -- Made and not started: the start did not take effect, and can be done again.
  if not containers.is_of(token, seen) or containers.is_new(seen.State.Status) then return nil end
  return { id = seen.Id, token = token }
end

function driver.poll(ctx, handles)
  local listed, failure = containers.listed(ctx)
  if not listed then return nil, failure end
  local rows = {}
  for i, handle in ipairs(handles) do
    rows[i], failure = containers.row(ctx, handle.id, listed[handle.id])
    if not rows[i] then return nil, failure end
  end
  return rows
end

function driver.stop(ctx, handle, how)
  containers.stopping(handle.id)
  local answer, failure = engine.ask(ctx, {
    method = "POST", path = container(handle) .. "/stop", query = { t = math.ceil(how.grace) },
    timeout = math.min(how.grace, GRACE) + 20,
  })
  if not answer then
    -- The engine goes on with it, and the host asks again when the grace is over.
    if how.grace > GRACE and failure.code == "timeout" then return true end
    return nil, failure
  end
  if answer.status == 204 or answer.status == 304 or answer.status == 404 then return true end
  return engine.refused(answer, "the engine does not stop the container")
end

function driver.signal(ctx, handle, number)
  local answer, failure = engine.ask(ctx, {
    method = "POST", path = container(handle) .. "/kill", query = { signal = number },
  })
  if not answer then return nil, failure end
  if answer.status == 204 then return true end
  -- Podman's word for what dockerd calls a conflict.
  if string.find(engine.words(answer), "state improper", 1, true) then answer.status = 409 end
  return engine.refused(answer, "the engine does not signal the container")
end

function driver.forget(ctx, handle)
  local answer, failure = engine.ask(ctx, {
    method = "DELETE", path = container(handle), query = { v = "true", force = "true" }, timeout = START,
  })
  if not answer then return nil, failure end
  output.forget(handle.id)
  usage.forget(handle.id)
  containers.forget(handle.id)
  -- Gone already, or being removed.
  if answer.status == 204 or answer.status == 200 or answer.status == 404 or answer.status == 409 then return true end
  return engine.refused(answer, "the engine does not remove the container")
end

function driver.logs(ctx, handle, cursor)
  local about, failure = engine.about(ctx)
  if not about then return nil, failure end
  -- Asked before the log is read: what has ended by then has written all.
  local ended
  ended, failure = containers.has_ended(ctx, handle.id)
  if ended == nil then return nil, failure end
  local function ask(query, most)
    local request = { path = container(handle) .. "/logs", query = query }
    local answer, refusal
    if type(most) == "function" then
      request.stall = 60
      answer, refusal = engine.chunks(ctx, request, most)
    else
      request.limit, request.cut = most, true
      answer, refusal = engine.ask(ctx, request)
    end
    if not answer then return nil, refusal end
    if answer.status ~= 200 then return engine.refused(answer, "the engine does not give the log") end
    return answer
  end
  local chunk
  chunk, failure = output.read(ask, handle.id, cursor, ended, about.podman)
  -- Its container is gone, and its log with it.
  if not chunk and ended and failure.code == "not_found" then return { bytes = "", cursor = cursor, done = true } end
  return chunk, failure
end

function driver.stats(ctx, handles)
  return usage.of(ctx, handles)
end

function driver.list(ctx)
  local listed, failure = containers.listed(ctx)
  if not listed then return nil, failure end
  local found = {}
  for id, one in pairs(listed) do
    local token = one.Labels["lunaport.token"]
    if token then found[#found + 1] = { token = token, handle = { id = id, token = token } } end
  end
  return found
end

function driver.watch(ctx)
  local filters = { type = { "container" }, label = { "lunaport.owner=" .. ctx.owner } }
  local answer, failure = engine.lines(ctx, {
    path = "/events",
    -- From a moment ago on: what ended while nobody was connected is heard of, too.
    query = { filters = host.json.encode(filters), since = math.floor(host.now()) - 5 },
  }, function() host.wake() end)
  if not answer then return nil, failure end
  if answer.status ~= 200 then return engine.refused(answer, "the engine does not tell its events") end
  engine.left()
  return true
end

return driver
