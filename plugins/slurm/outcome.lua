-- Where runs stand: from what Slurm says of their jobs, and from their folders where Slurm has forgotten them.

local folder = require "folder"
local options = require "options"
local states = require "states"

local outcome = {}

-- What was last told of a run: { state, at, ended_at }, by token. Only spares questions; all can be asked anew.
local told = {}

-- Seconds for which what was told of a living run need not be asked again.
local FRESH_SECONDS = 10

local function has_ended(seen)
  return seen.state ~= "pending" and seen.state ~= "running" and seen.state ~= "unknown"
end

local function tell(token, seen)
  local before, now = told[token], host.now()
  local ended_at = has_ended(seen) and (before and before.ended_at or now) or nil
  told[token] = { at = now, ended_at = ended_at }
  return seen
end

function outcome.forget(run) told[run.token] = nil end

function outcome.is_running(task) return states.observe(task).state == "running" end
function outcome.is_waiting(task) return states.observe(task).state == "pending" end

-- How a program ended by its script's own note.
local function noted(token, index)
  local ending = folder.ending(token, index)
  if not ending then return nil end
  local seen = { state = ending.code == 0 and "succeeded" or "failed", native = "forgotten" }
  states.exit(seen, ending.code)
  if seen.signal == 9 then seen.message = "killed, perhaps for want of memory; Slurm has forgotten the job" end
  return seen
end

local LOST = "Slurm has forgotten the job, and its script left no note of how it ended"

-- Why its script gave up before the program began, where it did.
local function explained(run, seen, index)
  if seen.state == "failed" and not seen.message then
    local why = folder.read(run.token, "why" .. (index and "-" .. index or ""))
    seen.message = why and string.gsub(why, "%s+$", "") or nil
  end
  return seen
end

local function single(run, tasks, past)
  local task = tasks[1] or past[1]
  local seen = task and states.observe(task) or noted(run.token) or { state = "lost", message = LOST }
  return explained(run, seen)
end

-- Tasks of an array that are over, by index. Kept in the run's folder, because Slurm forgets the first ones while the
-- last still run. `rest` stands for those that were cancelled before they began.
local function remembered(run)
  local text = folder.read(run.token, "tasks")
  return text and host.json.decode(text) or {}
end

local function combine(run, ended)
  local first, worst, failures, count = nil, nil, 0, 0
  for _, index in ipairs(options.indexes(run.array) or {}) do
    local seen = ended[tostring(index)] or noted(run.token, index) or ended.rest
      or { state = "lost", message = LOST }
    seen = explained(run, seen, index)
    count = count + 1
    if seen.state == "failed" then
      failures = failures + 1
      if not first then first = { index = index, seen = seen } end
    elseif seen.state ~= "succeeded" and not worst then
      worst = { index = index, seen = seen }
    end
  end
  local chosen = first or worst
  if not chosen then return { state = "succeeded", exit_code = 0, native = "COMPLETED" } end
  local seen, what = {}, { failed = "failed", lost = "was lost", preempted = "was preempted" }
  for key, value in pairs(chosen.seen) do seen[key] = value end
  seen.message = "task " .. chosen.index .. " " .. (what[seen.state] or seen.state)
    .. (seen.message and ": " .. seen.message or seen.exit_code and " with exit code " .. seen.exit_code or "")
  if failures > 1 then seen.message = seen.message .. "; " .. failures .. " of " .. count .. " tasks failed" end
  return seen
end

-- How many tasks one row of squeue stands for: "4-7%2" waits as one.
local function width(index)
  local list = index and options.indexes(index)
  return list and #list or 1
end

local function array(run, tasks, past)
  local ended, is_news = remembered(run), false
  local running, waiting, message = 0, 0, nil
  local function note(task)
    local key = task.index and string.find(task.index, "^%d+$") and task.index or "rest"
    if ended[key] then return end
    ended[key], is_news = states.observe(task), true
  end
  for _, task in ipairs(tasks) do
    local seen = states.observe(task)
    if seen.state == "pending" then
      waiting = waiting + width(task.index)
      message = message or seen.message
    elseif has_ended(seen) then
      note(task)
    else
      running = running + 1
    end
  end
  for _, task in ipairs(past) do
    if has_ended(states.observe(task)) then note(task) end
  end
  if is_news then folder.write(run.token, "tasks", host.json.encode(ended)) end
  if running + waiting == 0 then return combine(run, ended) end
  local over = 0
  for key in pairs(ended) do
    if key ~= "rest" then over = over + 1 end
  end
  if running + over == 0 then return { state = "pending", message = message, native = "PENDING" } end
  if waiting > 0 then
    message = over .. " tasks are over, " .. running .. " run, " .. waiting .. " wait"
      .. (message and ": " .. message or "")
  end
  return { state = "running", message = message, native = "RUNNING" }
end

local function by_job(tasks)
  local groups = {}
  for _, task in ipairs(tasks) do
    local group = groups[task.base] or {}
    groups[task.base] = group
    group[#group + 1] = task
  end
  return groups
end

-- A controller that lost its state gives old ids to other jobs: those of another name are not ours.
local function own(run, tasks)
  local list = {}
  for _, task in ipairs(tasks or {}) do
    if task.name == run.token then list[#list + 1] = task end
  end
  return list
end

-- Asks for jobs by id, each once. Gives what Slurm knows now and, of those it does not know, what it knew.
local function ask(ctx, way, ids)
  local unique, seen = {}, {}
  for _, id in ipairs(ids) do
    if not seen[id] then
      seen[id] = true
      unique[#unique + 1] = id
    end
  end
  if #unique == 0 then return { now = {}, past = {} } end
  local tasks, err = way.tasks(ctx, unique)
  if not tasks then return nil, err end
  local now, gone = by_job(tasks), {}
  for _, id in ipairs(unique) do
    if not now[id] then gone[#gone + 1] = id end
  end
  if #gone == 0 then return { now = now, past = {} } end
  local past
  past, err = way.past(ctx, gone)
  if not past then return nil, err end
  return { now = now, past = by_job(past) }
end

function outcome.poll(ctx, way, handles)
  local here, holders, ids = {}, {}, {}
  for i, run in ipairs(handles) do
    here[i] = folder.has(run.token)
    -- Of two submissions of one run the first to begin has it, and the other ends at once.
    local begun = here[i] and folder.job(run.token)
    if begun and begun ~= run.job_id then
      holders[i] = begun
    end
    if here[i] then ids[#ids + 1] = holders[i] or run.job_id end
  end
  local found, err = ask(ctx, way, ids)
  if not found then return nil, err end
  local rows = {}
  for i, run in ipairs(handles) do
    if here[i] then
      local id = holders[i] or run.job_id
      local observe = run.array and array or single
      rows[i] = tell(run.token, observe(run, own(run, found.now[id]), own(run, found.past[id])))
    else
      rows[i] = { state = "lost", message = "nothing of this run is here" }
    end
  end
  return rows
end

-- When a run was first seen to be over; nil where it is not, or nobody can say now.
function outcome.ended_at(ctx, way, run)
  local last = told[run.token]
  if last and last.ended_at then return last.ended_at end
  if last and host.now() - last.at < FRESH_SECONDS then return nil end
  local rows = outcome.poll(ctx, way, { run })
  if not rows then
    -- Not asked again at once: Slurm is away.
    told[run.token] = { at = host.now() }
    return nil
  end
  return told[run.token] and told[run.token].ended_at or has_ended(rows[1]) and host.now() or nil
end

return outcome
