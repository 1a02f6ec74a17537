-- Slurm by slurmrestd. Each answer is the same as that of `cli`.

local cli = require "cli"
local options = require "options"
local shapes = require "rest_shapes"

local rest = { name = "slurmrestd" }

-- Jobs asked for one by one; more come in one list of all that the controller knows.
local SINGLES_MAX = 8
-- Bytes of that list at most: some thousand jobs. A larger one costs more than asking for each of ours.
local LIST_BYTES = 8388608
-- Seconds for which a list that was too large is not asked for again.
local LIST_REST = 300
-- What a job's script finds before it makes its own.
local PATH = "/usr/local/bin:/usr/bin:/bin"
-- Error of a job or node that Slurm cannot change at this moment (ESLURM_TRANSITION_STATE_NO_UPDATE), and of a job that
-- it does not know (ESLURM_INVALID_JOB_ID) or that is over (ESLURM_ALREADY_DONE).
local BUSY, UNKNOWN, DONE = 2020, 2017, 2021

-- Of one agent: its token, the version that slurmrestd speaks, and until when not to ask for the whole list.
local made, spoken, list_after = nil, nil, 0

local function token(ctx)
  local config = ctx.config
  if config.token then return config.token end
  if config.token_file then
    local text, err = host.read(config.token_file)
    if not text then return nil, err end
    -- As scontrol prints it, or the token alone.
    return string.match(text, "SLURM_JWT=(%S+)") or string.match(text, "%S+")
  end
  if made and made.user == config.user and made.ends > host.now() then return made.text end
  local life = host.seconds(config.token_lifespan)
  local text, err = cli.call(ctx, { "scontrol", "token", "username=" .. config.user,
    "lifespan=" .. string.format("%d", math.floor(life)) })
  if not text then return nil, err end
  -- Renewed well before its end: a request takes time.
  made = { user = config.user, ends = host.now() + life * 0.8, text = string.match(text, "SLURM_JWT=(%S+)") }
  if made.text then return made.text end
  made = nil
  return nil, fail { code = "auth", message = "scontrol made no token" }
end

-- One request: the decoded answer and its status, or nil and a failure.
local function ask(ctx, method, path, request)
  local config = ctx.config
  local jwt, err = token(ctx)
  if not jwt then return nil, err end
  request = request or {}
  request.method = method
  request.url = (config.socket and "http://slurmrestd" or string.gsub(config.url, "/+$", "")) .. path
  request.socket = config.socket
  request.headers = { ["X-SLURM-USER-NAME"] = config.user, ["X-SLURM-USER-TOKEN"] = jwt }
  request.timeout = host.seconds(config.timeout)
  request.tls = config.ca and { ca_file = config.ca }
  local answer
  answer, err = host.http(request)
  if not answer then return nil, err end
  if answer.status == 401 or answer.status == 403 then
    made = nil
    -- The next one may be better.
    return nil, fail {
      code = "auth", message = "slurmrestd does not accept the token of user `" .. config.user .. "`", retry = "safe",
    }
  end
  local document = host.json.decode(answer.body)
  if type(document) ~= "table" then
    return nil, fail {
      code = answer.status >= 500 and "unavailable" or "target_error",
      -- A proxy may say so of what slurmrestd has done all the same.
      retry = method == "GET" and "safe" or answer.status >= 500 and "unknown_effect" or "never",
      message = "slurmrestd answered " .. answer.status .. " and no document",
    }
  end
  return document, nil, answer.status
end

-- What went wrong by an answer: its number and its sentences; nil where nothing did.
local function problem(document, status)
  local number, parts, seen = nil, {}, {}
  for _, row in ipairs(document.errors or {}) do
    local text = row.error or row.description
    number = number or row.error_number or row.error_code or row.errno or 0
    if text and not seen[text] then
      seen[text] = true
      parts[#parts + 1] = text
    end
  end
  if number then return number, table.concat(parts, "; ") end
  if status >= 400 then return 0, "slurmrestd answered " .. status end
  return nil
end

local function version(ctx)
  if ctx.config.api_version then return ctx.config.api_version end
  if spoken then return spoken end
  local document, err = ask(ctx, "GET", "/openapi")
  if not document then return nil, err end
  spoken = shapes.choose(document.paths or {})
  if spoken then return spoken end
  return nil, fail {
    code = "unsupported", message = "slurmrestd speaks no version of its API that this driver knows",
    hint = "known are v0.0." .. shapes.OLDEST .. " to v0.0." .. shapes.NEWEST,
  }
end

local function slurm(ctx, method, path, request)
  local spoken_version, err = version(ctx)
  if not spoken_version then return nil, err end
  return ask(ctx, method, "/slurm/" .. spoken_version .. path, request)
end

local function failure(number, text, is_change)
  -- A wrong or expired token is told so, with status 500.
  if text == "Unspecified error" or string.find(text, "uthentication", 1, true) then
    made = nil
    return fail { code = "auth", message = "slurmrestd does not accept the request; its token may be over: " .. text,
      retry = "safe" }
  end
  local failed = cli.failure(text, is_change)
  if number == BUSY then failed.code, failed.retry = "conflict", 1 end
  return failed
end

local function tasks(document)
  local list = {}
  for i, job in ipairs(document.jobs or {}) do list[i] = shapes.task(job) end
  return list
end

-- All jobs that the controller knows; nil where they are too many.
local function all(ctx)
  local document, err, status = slurm(ctx, "GET", "/jobs", { limit = LIST_BYTES })
  if not document then return nil, err end
  local number, text = problem(document, status)
  if number then return nil, failure(number, text) end
  return tasks(document)
end

local function one(ctx, id)
  local document, err, status = slurm(ctx, "GET", "/job/" .. id)
  if not document then return nil, err end
  local number, text = problem(document, status)
  if number == UNKNOWN or number and string.find(text, "Invalid job id", 1, true) then return {} end
  if number then return nil, failure(number, text) end
  return tasks(document)
end

function rest.tasks(ctx, ids)
  if #ids > SINGLES_MAX and host.now() >= list_after then
    local list, err = all(ctx)
    if list then return list end
    if err.code ~= "target_error" then return nil, err end
    list_after = host.now() + LIST_REST
  end
  local list = {}
  for _, id in ipairs(ids) do
    local found, err = one(ctx, id)
    if not found then return nil, err end
    for _, task in ipairs(found) do list[#list + 1] = task end
  end
  return list
end

function rest.named(ctx, name)
  local list, err = all(ctx)
  if not list then return nil, err end
  local named = {}
  for _, task in ipairs(list) do
    if task.name == name then named[#named + 1] = task end
  end
  return named
end

function rest.all(ctx)
  local list, err = all(ctx)
  if not list then return nil, err end
  local own = {}
  for _, task in ipairs(list) do
    if task.user == ctx.config.user then own[#own + 1] = task end
  end
  return own
end

function rest.submit(ctx, job)
  local spoken_version, err = version(ctx)
  if not spoken_version then return nil, err end
  local properties = { requeue = job.options.requeue, exclusive = job.options.exclusive }
  for _, row in ipairs(options.rows) do properties[row.rest] = job.options[row.key] end
  job.path = PATH
  local body, unfit = shapes.submission(spoken_version, job, properties)
  if not body then return nil, unfit end
  local document, failed, status = slurm(ctx, "POST", "/job/submit", { json = body })
  if not document then return nil, failed end
  -- What cannot run now is said as an error, though the job was taken and waits.
  local id = tonumber(document.job_id)
  if id and id > 0 then return string.format("%d", id) end
  local number, text = problem(document, status)
  if number then return nil, failure(number, text, true) end
  return nil, fail { code = "target_error", message = "slurmrestd gave no job id", retry = "unknown_effect" }
end

-- Seconds between tries of what Slurm cannot do at the moment, and how often: a job is in that state when it has just
-- been started or is just ending.
local BUSY_SECONDS, BUSY_TRIES = 0.5, 20

local function delete(ctx, names, signal)
  for _, name in ipairs(names) do
    for try = 1, BUSY_TRIES do
      local path = "/job/" .. host.url.encode(name)
      local document, err, status = slurm(ctx, "DELETE", path, { query = { signal = signal } })
      if not document then
        if err.retry == "unknown_effect" then err.retry = "safe" end
        return nil, err
      end
      local number, text = problem(document, status)
      local is_busy = number == BUSY
      if number and not is_busy and number ~= UNKNOWN and number ~= DONE then
        if not string.find(text, "Invalid job id", 1, true) and not string.find(text, "already complet", 1, true) then
          return nil, failure(number, text)
        end
      end
      if not is_busy then break end
      if try == BUSY_TRIES then return nil, failure(number, text) end
      host.sleep(BUSY_SECONDS)
    end
  end
  return true
end

function rest.cancel(ctx, names) return delete(ctx, names) end

-- Its script cannot be killed alone here, so that this takes as long as Slurm gives what it cancels (KillWait).
rest.kill = rest.cancel

function rest.signal(ctx, names, number) return delete(ctx, names, string.format("%d", number)) end

-- slurmrestd without a database has no accounting: what Slurm forgot, the run's folder tells.
function rest.past() return {} end

function rest.probe(ctx)
  if not ctx.config.user then
    return { health = "unhealthy", detail = "the setting `user` must name who slurmrestd acts for" }
  end
  -- A server that was updated speaks another version.
  spoken = nil
  local ping, err = slurm(ctx, "GET", "/ping")
  if not ping then return { health = "unhealthy", detail = err.message } end
  local up = false
  for _, row in ipairs(ping.pings or {}) do up = up or shapes.is_up(row) end
  if not up then
    local _, text = problem(ping, 500)
    return { health = "unhealthy", detail = "slurmctld does not answer: " .. text }
  end
  local listed, failed = slurm(ctx, "GET", "/partitions")
  if not listed then return { health = "unhealthy", detail = failed.message } end
  local partitions, gpu = {}, false
  for _, partition in ipairs(listed.partitions or {}) do
    if shapes.is_partition_up(partition) then partitions[partition.name] = true end
  end
  local nodes = slurm(ctx, "GET", "/nodes", { limit = LIST_BYTES })
  for _, node in ipairs(nodes and nodes.nodes or {}) do
    if string.find(node.gres or "", "gpu", 1, true) then gpu = true end
  end
  local meta = ping.meta or {}
  local told = meta.Slurm or meta.slurm or {}
  return {
    version = told.release, partitions = partitions, gpu = gpu, memory = false,
    -- slurmrestd tells no usage; where Slurm's own commands are here too, they do.
    stats = cli.call(ctx, { "sstat", "--version" }) ~= nil,
  }
end

return rest
