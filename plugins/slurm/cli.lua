-- Slurm by its commands. Each answer is the same as that of `rest`.

local states = require "states"
local options = require "options"

local cli = { name = "commands" }

-- Where the commands are looked for beside the operator's own folder.
local PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

-- What Slurm's commands print when a call cannot have reached the controller, ...
local NOT_SENT = {
  "Unable to contact slurm controller", "Connection refused", "connect failure", "Unable to connect",
}
-- ... when it may have taken effect, ...
local IN_DOUBT = { "Socket timed out", "Zero Bytes were transmitted", "Transport endpoint", "Connection reset" }
-- ... when it may go better later, ...
local LATER = {
  "temporarily unable", "Slurmctld is currently in standby", "Slurm backup controller", "try again later",
  "Resource temporarily unavailable", "Job violates accounting/QOS policy", "SubmitJobs", "SubmitLimit",
  "Required node not available", "not available now", "Nodes required for job are DOWN",
}
-- ... when Slurm cannot tell who we are, which may be for want of a running munged, ...
local UNKNOWN_HERE = { "authentication error", "Munge", "auth plugin" }
-- ... and when it does, and does not let us.
local NOT_ALLOWED = { "Access/permission denied", "Invalid user id", "not permitted" }

local function has(text, list)
  for _, part in ipairs(list) do
    if string.find(text, part, 1, true) then return true end
  end
  return false
end

-- Slurm's own sentence, without the names of its programs.
local function sentence(text)
  local lines = {}
  for line in string.gmatch(text, "[^\n]+") do
    line = string.gsub(line, "^%l+: error: ", "")
    line = string.gsub(line, "^Batch job submission failed: ", "")
    lines[#lines + 1] = line
  end
  return table.concat(lines, "; ")
end

-- What an unsuccessful call means. `rest` uses it for the same sentences.
function cli.failure(text, is_change)
  local message = sentence(text)
  local failed = { code = "config_invalid", message = "Slurm refuses it: " .. message,
    hint = "sinfo and the queue's resource tell what does not fit" }
  if has(text, IN_DOUBT) then
    failed = { code = "unavailable", message = "Slurm did not answer: " .. message, retry = "unknown_effect" }
  elseif has(text, NOT_SENT) then
    failed = { code = "unavailable", message = "Slurm cannot be reached: " .. message, retry = "safe" }
  elseif has(text, LATER) then
    failed = { code = "quota", message = "Slurm takes no more now: " .. message, retry = 15 }
  elseif has(text, UNKNOWN_HERE) then
    failed = { code = "auth", message = "Slurm does not know this user: " .. message, retry = 15 }
  elseif has(text, NOT_ALLOWED) then
    failed = { code = "auth", message = "Slurm does not allow it: " .. message }
  end
  if not is_change then
    -- What only asks may be asked again, whatever was wrong with it.
    failed.retry, failed.hint = "safe", nil
    if failed.code == "config_invalid" then failed.code = "target_error" end
  end
  return fail(failed)
end

-- Runs one of Slurm's commands; its standard output, or nil and a failure.
local function call(ctx, command, is_change)
  command.env = command.env or {}
  command.env.SLURM_CONF = ctx.config.conf
  if ctx.config.bin then command.env.PATH = ctx.config.bin .. ":" .. PATH end
  command.timeout = host.seconds(ctx.config.timeout)
  local out, err = host.exec(command)
  if not out then
    if err.code == "not_found" then err.hint = "the setting `bin` names the folder of Slurm's commands" end
    return nil, err
  end
  if out.timed_out then
    return nil, fail { code = "timeout", message = command[1] .. " did not end in " .. ctx.config.timeout,
      retry = is_change and "unknown_effect" or "safe" }
  end
  if out.code ~= 0 then return nil, cli.failure(out.stderr ~= "" and out.stderr or out.stdout, is_change) end
  return out.stdout
end

cli.call = call

-- One line a job or task that is not over or not long over.
local FIELDS = "JobID:|,ArrayJobID:|,ArrayTaskID:|,State:|,Reason:|,exit_code:|,RestartCnt:|,Name:|,Comment:|"

local function task(line)
  local id, base, index, state, reason, status, restarts, name, comment =
    string.match(line, "^(%d+)|(%d+)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)|$")
  if not id then return nil end
  local code, signal = states.status(status)
  return {
    id = id, base = base, index = index ~= "N/A" and index or nil, state = state, reason = reason, code = code,
    signal = signal, restarts = tonumber(restarts), name = name, comment = comment,
  }
end

-- Other jobs may have anything in their names; of those asked for by id every line must be understood, since a job
-- that is not there counts as over.
local function tasks(text, is_strict)
  local list = {}
  for line in string.gmatch(text, "[^\n]+") do
    local found = task(line)
    if not found and is_strict then
      return nil, fail { code = "target_error", message = "squeue printed what this driver cannot read: " .. line,
        retry = "safe" }
    end
    list[#list + 1] = found
  end
  return list
end

local function squeue(ctx, ...)
  return call(ctx, { "squeue", "--noheader", "--all", "--Format=" .. FIELDS, ... })
end

-- All that Slurm knows of these jobs, in one call.
function cli.tasks(ctx, ids)
  local text, err = squeue(ctx, "--states=all", "--jobs=" .. table.concat(ids, ","))
  if text then return tasks(text, true) end
  -- Said where it knows none of them.
  if string.find(err.message, "Invalid job id", 1, true) then return {} end
  return nil, err
end

function cli.named(ctx, name)
  local text, err = squeue(ctx, "--states=all", "--name=" .. name)
  if not text then return nil, err end
  return tasks(text)
end

-- All of this agent's user.
function cli.all(ctx)
  local text, err = squeue(ctx, "--me", "--states=all")
  if not text then return nil, err end
  return tasks(text)
end

function cli.submit(ctx, job)
  local command = {
    "sbatch", "--parsable", "--export=ALL", "--open-mode=append", "--job-name=" .. job.name,
    "--comment=" .. job.comment, "--chdir=" .. job.folder, "--output=" .. job.output, stdin = job.script,
  }
  for _, argument in ipairs(options.arguments(job.options)) do command[#command + 1] = argument end
  local text, err = call(ctx, command, true)
  if not text then return nil, err end
  local id = string.match("\n" .. text, "\n(%d+)[;\n]")
  if id then return id end
  return nil, fail { code = "target_error", message = "sbatch printed no job id", detail = text,
    retry = "unknown_effect" }
end

-- Both are told of jobs and tasks as "12", "12_3", "12_[4-7]"; what is over is no failure.
local function scancel(ctx, names, ...)
  local command = { "scancel", ... }
  for _, name in ipairs(names) do command[#command + 1] = name end
  local text, err = call(ctx, command, true)
  if text or string.find(err.message, "Invalid job id", 1, true) then return true end
  if string.find(err.message, "already completing or completed", 1, true) then return true end
  -- Asking twice does no harm.
  if err.retry == "unknown_effect" then err.retry = "safe" end
  return nil, err
end

function cli.cancel(ctx, names) return scancel(ctx, names) end

-- `--full`: the script's children too. Without the state scancel would try for a minute to signal what has not begun.
function cli.signal(ctx, names, number)
  return scancel(ctx, names, "--full", "--state=RUNNING", "--signal=" .. number)
end

-- Slurm waits some seconds (KillWait) before it kills a job that is cancelled, unless its script is dead already.
function cli.kill(ctx, names)
  return scancel(ctx, names, "--batch", "--state=RUNNING", "--signal=KILL")
end

-- Ended jobs that Slurm itself has forgotten, from its accounting where there is one; nil and a failure where that
-- does not answer now, lest what it knows be taken for lost.
function cli.past(ctx, ids)
  local text, err = call(ctx, {
    "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobIDRaw,JobID,State,ExitCode,JobName%80",
    "--jobs=" .. table.concat(ids, ","),
  })
  if not text and (err.code == "unavailable" or err.code == "timeout") then return nil, err end
  local list = {}
  for line in string.gmatch(text or "", "[^\n]+") do
    local id, shown, state, status, name = string.match(line, "^(%d+)|([^|]*)|([^|]*)|([^|]*)|(.*)$")
    if id then
      local code, signal = states.status(status)
      list[#list + 1] = {
        id = id, base = string.match(shown, "^%d+"), index = string.match(shown, "_(%d+)$"), state = state,
        code = code, signal = signal, name = name,
      }
    end
  end
  return list
end

-- Seconds of processor time, from "1-02:03:04.5".
local function seconds(text)
  local days, rest = string.match(text, "^(%d+)%-(.+)$")
  local sum = 0
  for part in string.gmatch(rest or text, "[%d.]+") do sum = sum * 60 + (tonumber(part) or 0) end
  return sum + (tonumber(days) or 0) * 86400
end

-- What running jobs have used so far, by id: { processor seconds, memory }.
function cli.usage(ctx, ids)
  local text, err = call(ctx, {
    "sstat", "--noheader", "--parsable2", "--allsteps", "--format=JobID,NTasks,AveCPU,AveRSS",
    "--jobs=" .. table.concat(ids, ","),
  })
  if not text then
    -- Said where none of them runs now.
    if err.code == "target_error" then return {} end
    return nil, err
  end
  local used = {}
  for line in string.gmatch(text, "[^\n]+") do
    local id, count, cpu, memory = string.match(line, "^(%d+)[^|]*|(%d*)|([^|]*)|([^|]*)$")
    if id and memory ~= "" then
      local row = used[id] or { cpu = 0, memory = 0 }
      row.cpu = row.cpu + seconds(cpu) * (tonumber(count) or 1)
      local number, unit = string.match(memory, "^([%d.]+)(%a?)")
      row.memory = row.memory + host.bytes(number .. (unit ~= "" and unit .. "i" or "")) * (tonumber(count) or 1)
      used[id] = row
    end
  end
  return used
end

function cli.probe(ctx)
  local ping, err = call(ctx, { "scontrol", "ping" })
  if not ping then
    local detail = string.find(err.message, "is DOWN", 1, true) and "slurmctld does not answer" or err.message
    return { health = err.code == "not_found" and "undetected" or "unhealthy", detail = detail }
  end
  local version, problem = call(ctx, { "sbatch", "--version" })
  if not version then return { health = "undetected", detail = problem.message } end
  local config = call(ctx, { "scontrol", "show", "config" }) or ""
  local sinfo, failure = call(ctx, { "sinfo", "--noheader", "--all", "--format=%R|%a|%G" })
  if not sinfo then return { health = "unhealthy", detail = failure.message } end
  local partitions, gpu = {}, false
  for name, state, gres in string.gmatch(sinfo, "([^|\n]+)|([^|\n]+)|([^\n]*)") do
    if state == "up" then partitions[name] = true end
    if string.find(gres, "gpu") then gpu = true end
  end
  return {
    version = string.match(version, "[%d.]+"), cluster = string.match(config, "ClusterName%s*=%s*(%S+)"),
    partitions = partitions, gpu = gpu,
    memory = string.find(config, "ConstrainRAMSpace%s*=%s*yes") ~= nil
      or string.find(config, "OverMemoryKill") ~= nil,
    stats = not string.find(config, "JobAcctGatherType%s*=%s*[^\n]*none"),
  }
end

return cli
