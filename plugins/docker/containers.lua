-- What the engine says of containers, in Lunaport's words.

local engine = require "engine"

local containers = {}

-- Rows of containers that have ended: nothing changes any more. Kept while the engine lists them.
local ended = {}
-- Containers that this agent was asked to stop: their end needs no explanation. Lost with the agent's process.
local stopped = {}

-- The engine's words for a container that has not run yet.
local NEW = { created = true, configured = true, initialized = true }
local LIVE = { running = true, paused = true, restarting = true, stopping = true }

function containers.name(token)
  return "lunaport-" .. token
end

function containers.is_new(status)
  return NEW[status] or false
end

function containers.is_of(token, seen)
  return ((seen.Config or {}).Labels or {})["lunaport.token"] == token
end

-- The body that creates the container of a token.
function containers.body(spec, token, podman)
  local body = {}
  for key, value in pairs(spec.create) do body[key] = value end
  local labels = { ["lunaport.token"] = token }
  for name, value in pairs(body.Labels) do labels[name] = value end
  body.Labels = labels
  if spec.secrets then
    local env = {}
    for i, text in ipairs(body.Env or {}) do env[i] = text end
    for name, value in pairs(spec.secrets) do env[#env + 1] = host.join(name .. "=", value) end
    body.Env = env
  end
  if podman then
    -- Podman's own log driver keeps bytes as they are, and the engine's it does not know.
    local config = {}
    for key, value in pairs(body.HostConfig) do config[key] = value end
    config.LogConfig = nil
    body.HostConfig = config
  end
  return body
end

-- What the engine knows of one container; a failure `not_found` where it knows none.
function containers.inspect(ctx, id)
  return engine.get(ctx, "/containers/" .. id .. "/json", nil, "the engine does not show the container")
end

-- The id of the container that has a token's name already. It may be on its way only, and not be seen yet.
function containers.id_of(ctx, token)
  local seen, failure
  for _ = 1, 50 do
    seen, failure = containers.inspect(ctx, containers.name(token))
    if seen or failure.code ~= "not_found" then break end
    host.sleep(0.1)
  end
  if not seen then return nil, failure end
  if containers.is_of(token, seen) then return seen.Id end
  return nil, fail {
    code = "conflict", message = "a container named " .. containers.name(token) .. " is there, and is not of this run",
    hint = "remove it",
  }
end

-- Whether a refusal to create says that the image is missing. A missing network is a 404, too.
function containers.no_image(answer)
  return string.find(string.lower(engine.words(answer)), "no such image", 1, true) ~= nil
end

-- Whether a refusal to create says that the name is taken.
function containers.is_taken(answer)
  return answer.status == 409 or string.find(engine.words(answer), "name is already in use", 1, true) ~= nil
end

-- What engines say of a start that did not succeed, and what it means: code, message, hint; seconds to another try.
local CAUSES = {
  -- Podman's first containers make their common network, and stumble over each other.
  { "Chain already exists", "unavailable", "the engine's network was not ready", "the next try finds it", 1 },
  {
    "exec: .*no such file or directory", "config_invalid", "`PROGRAM` is not in the image",
    "looked for in the image IMAGE",
  },
  {
    "exec: .*executable file not found", "config_invalid", "`PROGRAM` is not in the image",
    "looked for in the image IMAGE",
  },
  {
    "exec: .*permission denied", "config_invalid", "`PROGRAM` of the image may not be executed",
    "chmod +x it in the image",
  },
  { "unable to find user", "config_invalid", "the image has no user USER", "give User by its number, as 1000:1000" },
  {
    "could not select device driver", "unsupported", "the engine has no GPUs to give",
    "install the NVIDIA container toolkit on the engine's machine",
  },
}

-- The failure of a container that could not be started.
function containers.not_started(answer, spec)
  local words, create = engine.words(answer), spec.create
  local facts = {
    PROGRAM = (create.Entrypoint or create.Cmd or { "its own program" })[1], IMAGE = create.Image,
    USER = create.User or "",
  }
  for _, cause in ipairs(CAUSES) do
    if string.find(words, cause[1]) then
      return nil, fail {
        code = cause[2], message = string.gsub(cause[3], "%u%u%u+", facts), detail = words,
        hint = string.gsub(cause[4], "%u%u%u+", facts), retry = cause[5] or "never",
      }
    end
  end
  return engine.refused(answer, "the engine does not start the container")
end

-- All containers of this agent, by id.
function containers.listed(ctx)
  local list, failure = engine.get(ctx, "/containers/json", {
    all = "true", filters = host.json.encode { label = { "lunaport.owner=" .. ctx.owner } },
  }, "the engine does not list its containers")
  if not list then return nil, failure end
  local listed, kept = {}, {}
  for _, one in ipairs(list) do
    listed[one.Id] = one
    kept[one.Id] = ended[one.Id]
  end
  ended = kept
  return listed
end

function containers.stopping(id)
  stopped[id] = true
end

function containers.forget(id)
  stopped[id], ended[id] = nil, nil
end

local function how_it_ended(seen, podman)
  local state, limit = seen.State, math.floor(((seen.HostConfig or {}).Memory or 0) / 1048576)
  local code = state.ExitCode
  local row = { state = code == 0 and "succeeded" or "failed", exit_code = code, native = state.Status }
  if code == 0 then return row end
  -- The kernel's signals and a shell's word for its child's are told in the same way.
  if code > 128 and code <= 159 then row.signal = code - 128 end
  local cut_off = code == 137 or code == 143
  if state.OOMKilled then
    row.out_of_memory = true
    row.message = "it took more memory than its limit of " .. limit .. " MiB"
  elseif not stopped[seen.Id] and engine.was_away(host.time.parse(state.FinishedAt) or 0) then
    -- An engine that comes back ends what runs without it: nothing that the program did.
    if cut_off then
      return { state = "lost", native = state.Status, message = "its engine went away, and ended it on coming back" }
    end
    row.message = "it ended when its engine had gone away and come back"
  elseif podman and code == 137 and limit > 0 and not stopped[seen.Id] then
    row.message = "killed, perhaps for want of memory: its limit is " .. limit .. " MiB; the engine does not say"
  end
  return row
end

local function observe(ctx, id)
  local seen, failure = containers.inspect(ctx, id)
  if not seen then
    if failure.code ~= "not_found" then return nil, failure end
    return { state = "lost", native = "removed", message = "its container is gone: somebody removed it" }
  end
  local status = seen.State.Status
  if NEW[status] then
    -- Only what is left of a start that was cut off is seen so: a start answers when the program runs.
    return { state = "lost", native = status, message = "its container was made and never started" }
  elseif LIVE[status] then
    return { state = "running", native = status, message = status == "paused" and "somebody paused it" or nil }
  elseif status == "removing" then
    return { state = "lost", native = status, message = "its container is being removed" }
  end
  local about
  about, failure = engine.about(ctx)
  if not about then return nil, failure end
  local row = how_it_ended(seen, about.podman)
  ended[id] = row
  return row
end

-- Where a container stands. `one` is what the list says of it; only what the list cannot tell is asked for.
function containers.row(ctx, id, one)
  if one and one.State == "running" then return { state = "running", native = one.State } end
  if one and ended[id] then return ended[id] end
  return observe(ctx, id)
end

-- Whether a container has ended, or is gone; nil and a failure where the engine does not say.
function containers.has_ended(ctx, id)
  if ended[id] then return true end
  local row, failure = observe(ctx, id)
  if not row then return nil, failure end
  return row.state ~= "running" and row.state ~= "pending"
end

return containers
