-- Slurm as a target. What a run is lies in its folder (`folder`), what runs in its script (`script`), what a queue's
-- resource means in `options`; `cli` and `rest` are the two ways to Slurm, with the same answers.

local cli = require "cli"
local folder = require "folder"
local options = require "options"
local outcome = require "outcome"
local output = require "output"
local rest = require "rest"
local script = require "script"

local driver = {}

local function way(ctx)
  return (ctx.config.url or ctx.config.socket) and rest or cli
end

function driver.probe(ctx)
  local found = way(ctx).probe(ctx)
  if found.health then return found end
  local lacks, names = {}, {}
  local function need(capability, is_there)
    if not is_there then lacks[#lacks + 1] = capability end
  end
  local limits = ctx.config.memory_limits
  if limits == nil then limits = found.memory end
  need("limit.memory", limits)
  need("gpu", found.gpu)
  need("stats", found.stats)
  need("source.image", ctx.config.containers ~= "none")
  for name in pairs(found.partitions) do names[#names + 1] = name end
  table.sort(names)
  return {
    health = "healthy", lacks = lacks,
    detail = "Slurm " .. (found.version or "?") .. " by its " .. way(ctx).name .. ", partitions: "
      .. (#names > 0 and table.concat(names, ", ") or "none is up"),
    attributes = { version = found.version, cluster = found.cluster, partitions = names, way = way(ctx).name },
  }
end

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

function driver.plan(ctx, run)
  local resource, config = run.resource, ctx.config
  if resource.array and not options.indexes(resource.array) then
    return invalid("`array` must be indexes such as 0-9, 1,3,5 or 0-99%8, not " .. resource.array)
  end
  if resource.prologue and #resource.prologue > 0 and not config.own_lines then
    return invalid("the operator does not let queues add lines to scripts",
      "set `own_lines` in the agent's settings of plugin slurm, or leave `prologue` out")
  end
  local cwd = resource.cwd or "."
  if string.find(cwd, "^/") or string.find("/" .. cwd .. "/", "/../", 1, true) then
    return invalid("`cwd` must lie inside the job's folder, not at `" .. cwd .. "`")
  end
  local copy, places = {}, {}
  if run.prefix and not folder.is_visible(ctx, run.prefix) then
    return invalid("the nodes do not see the run's Python environment, which lies in " .. run.prefix,
      "put the agent's data folder on the shared file system, inside the folder of the setting `shared`")
  end
  if not run.folder then
    places.folder = '"$lunaport_run/work"'
  elseif folder.is_visible(ctx, run.folder) then
    places.folder = script.quote(run.folder .. "/" .. cwd)
  else
    copy.source = run.folder
    places.folder = '"$lunaport_run/source"/' .. script.quote(cwd)
  end
  local file = run.environment.LUNAPORT_CONFIG
  if file and not folder.is_visible(ctx, file) then
    copy["config.json"] = file
    places.config = '"$lunaport_run/config.json"'
  end
  local text, secrets = script.of(run, config, places)
  if not text then return nil, secrets end
  return {
    options = options.of(run), script = text, secrets = next(secrets) and secrets, copy = next(copy) and copy,
    -- One line, with nothing that squeue's own columns are parted by.
    comment = (string.gsub("run " .. run.name .. " of queue " .. run.queue, "[%c|]", " ")),
  }
end

local function handle(token, id)
  return { token = token, job_id = id, array = folder.read(token, "array") }
end

-- Written on each job beside the run's name, so that an agent knows its own.
local function mark(ctx) return "lunaport:" .. (ctx.owner or "agent") end

-- Jobs of this token that Slurm knows, the oldest first.
local function known(ctx, token)
  local named, err = way(ctx).named(ctx, token)
  if not named then return nil, err end
  local ids, seen = {}, {}
  for _, task in ipairs(named) do
    if not seen[task.base] then
      seen[task.base] = true
      ids[#ids + 1] = task.base
    end
  end
  table.sort(ids, function(a, b) return tonumber(a) < tonumber(b) end)
  return ids
end

function driver.find(ctx, token)
  local is_there, err = folder.is_there(ctx)
  if err then return nil, err end
  -- Its folder is made before it is submitted, and goes with it when it is forgotten.
  if not is_there or not folder.has(token) then return nil end
  -- Where it has begun, its folder knows its job, though Slurm may have forgotten it.
  local begun = folder.job(token)
  if begun then return handle(token, begun) end
  local ids
  ids, err = known(ctx, token)
  if not ids then return nil, err end
  return ids[1] and handle(token, ids[1]) or nil
end

-- Makes the run's folder, with the folder in which image jobs work.
local function write(ctx, spec, token)
  local ok, err = folder.prepare(ctx)
  if ok then ok, err = folder.write(token, "work/.keep", "") end
  for name, value in pairs(spec.secrets or {}) do
    if ok then ok, err = folder.write(token, "secrets/" .. name, value) end
  end
  for name, path in pairs(spec.copy or {}) do
    if ok then ok, err = folder.copy(token, path, name) end
  end
  if ok and spec.options.array then ok, err = folder.write(token, "array", spec.options.array) end
  if ok then ok, err = folder.write(token, "script", spec.script) end
  return ok, err
end

-- Tokens that a start is at work on. A call that is cut off lets go of its own.
local starting = {}
local LOOK_AGAIN_SECONDS = 0.1

local function submit(ctx, spec, token)
  local is_again = folder.has(token)
  local ok, err = write(ctx, spec, token)
  if not ok then
    if not is_again then folder.remove(token) end
    return nil, err
  end
  local path = folder.path(ctx, token)
  -- A percent sign in a file's name stands for something, unless there are two.
  local plain = string.gsub(path, "%%", "%%%%")
  local id
  id, err = way(ctx).submit(ctx, {
    name = token, comment = mark(ctx) .. " " .. spec.comment, folder = path, options = spec.options,
    script = script.entry(path, ctx.config.login),
    output = plain .. (spec.options.array and "/output-%a" or "/output"),
  })
  if not id then
    if err.retry ~= "unknown_effect" and not is_again then folder.remove(token) end
    return nil, err
  end
  if is_again then
    -- An earlier try was still on its way. The first has the run; the script of another would end at once.
    local ids = known(ctx, token) or {}
    if ids[1] and ids[1] ~= id then
      way(ctx).cancel(ctx, { id })
      id = ids[1]
    end
  end
  return handle(token, id)
end

function driver.start(ctx, spec, token)
  while starting[token] do host.sleep(LOOK_AGAIN_SECONDS) end
  starting[token] = true
  local _ <close> = setmetatable({}, { __close = function() starting[token] = nil end })
  local found, err = driver.find(ctx, token)
  if found or err then return found, err end
  return submit(ctx, spec, token)
end

function driver.poll(ctx, handles)
  local _, err = folder.is_there(ctx)
  if err then return nil, err end
  return outcome.poll(ctx, way(ctx), handles)
end

-- Jobs and tasks of a run as Slurm names them: { running = { "12_3" }, waiting = { "12_[4-7]" } }.
local function alive(ctx, run)
  local ids = { run.job_id }
  local begun = folder.job(run.token)
  if begun and begun ~= run.job_id then ids[2] = begun end
  local tasks, err = way(ctx).tasks(ctx, ids)
  if not tasks then return nil, err end
  local found = { running = {}, waiting = {} }
  for _, task in ipairs(tasks) do
    local name = task.id
    if task.index then
      local index = string.gsub(task.index, "%%%d+$", "")
      name = task.base .. "_" .. (string.find(index, "^%d+$") and index or "[" .. index .. "]")
    end
    local list = outcome.is_running(task) and found.running or outcome.is_waiting(task) and found.waiting
    -- A controller that lost its state gives old ids to other jobs.
    if list and task.name == run.token then list[#list + 1] = name end
  end
  return found
end

-- Seconds between looks at a program that was asked to end, and seconds that one call may wait for it; the host asks
-- again after a longer grace.
local LOOK_SECONDS, GRACE_MAX = 0.5, 60
-- Seconds after which what was killed should not run any more.
local KILL_SECONDS = 1
local TERM = 15

function driver.stop(ctx, run, how)
  local slurm = way(ctx)
  local found, err = alive(ctx, run)
  if not found then return nil, err end
  local ok = true
  -- What waits first: it would start in the place of what ends.
  if #found.waiting > 0 then ok, err = slurm.cancel(ctx, found.waiting) end
  if not ok then return nil, err end
  if #found.running == 0 then return true end
  if how.grace > 0 then
    ok, err = slurm.signal(ctx, found.running, TERM)
    if not ok then return nil, err end
    local left = math.min(how.grace, GRACE_MAX)
    while left > 0 do
      host.sleep(math.min(LOOK_SECONDS, left))
      left = left - LOOK_SECONDS
      if output.has_ended(run, found.running) then return true end
    end
    if how.grace > GRACE_MAX then return true end
  end
  ok, err = slurm.kill(ctx, found.running)
  if not ok then return nil, err end
  host.sleep(KILL_SECONDS)
  found, err = alive(ctx, run)
  if not found then return nil, err end
  return #found.running == 0 or slurm.cancel(ctx, found.running)
end

function driver.signal(ctx, run, number)
  local found, err = alive(ctx, run)
  if not found then return nil, err end
  if #found.running == 0 then
    return nil, fail { code = "conflict", message = "the run does not run now, so that no signal can reach it" }
  end
  return way(ctx).signal(ctx, found.running, number)
end

function driver.forget(_, run)
  outcome.forget(run)
  return folder.remove(run.token)
end

function driver.logs(ctx, run, cursor)
  return output.logs(ctx, way(ctx), run, cursor)
end

-- What each used when it was last asked, so that processor seconds become a rate.
local last_used = {}

function driver.stats(ctx, handles)
  local rows, ids = {}, {}
  for i, run in ipairs(handles) do
    rows[i], ids[i] = false, run.job_id
  end
  local used, err = cli.usage(ctx, ids)
  if not used then return nil, err end
  local now, kept = host.now(), {}
  for i, run in ipairs(handles) do
    local row, before = used[run.job_id], last_used[run.job_id]
    if row then
      rows[i] = { memory = row.memory }
      if before and now > before.at then rows[i].cpu = math.max(0, row.cpu - before.cpu) / (now - before.at) end
      kept[run.job_id] = { at = now, cpu = row.cpu }
    end
  end
  last_used = kept
  return rows
end

function driver.list(ctx)
  local tasks, err = way(ctx).all(ctx)
  if not tasks then return nil, err end
  local rows, seen, own = {}, {}, mark(ctx) .. " "
  for _, task in ipairs(tasks) do
    local token = task.name
    if string.sub(task.comment or "", 1, #own) == own and not seen[token] then
      -- What has ended stays in Slurm for a while after it was forgotten here.
      if folder.has(token) or outcome.is_waiting(task) or outcome.is_running(task) then
        seen[token] = true
        rows[#rows + 1] = { token = token, handle = handle(token, folder.job(token) or task.base) }
      end
    end
  end
  return rows
end

return driver
