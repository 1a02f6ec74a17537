-- All that this target knows of a run lies in one file named after its token, as on a real target.

local driver = {}

local function path(token)
  return "runs/" .. token
end

local function read(token)
  local text = host.files.read(path(token))
  return text and host.json.decode(text)
end

local function write(token, state)
  host.files.write(path(token), host.json.encode(state))
end

function driver.probe(ctx)
  return { health = ctx.config.health, detail = ctx.config.detail }
end

function driver.plan(_, run)
  local resource = run.resource
  if resource.plan_fails then
    return nil, fail { code = resource.plan_fails, message = "plan fails, as the resource asks" }
  end
  resource.command = run.command
  resource.run_for = host.seconds(resource.run_for)
  resource.pending_for = host.seconds(resource.pending_for)
  return resource
end

function driver.start(_, spec, token)
  local run = read(token) or { failed = 0 }
  if run.started then
    return { token = token }
  end
  if spec.start_raises then
    error("start raises, as the resource asks")
  end
  if spec.start_fails and run.failed < spec.start_fails_times then
    write(token, { failed = run.failed + 1, started = spec.start_takes_effect and host.now() or nil, spec = spec })
    local message = "start fails, as the resource asks"
    return nil, fail { code = spec.start_fails, message = message, retry = spec.start_retry }
  end
  write(token, { failed = run.failed, started = host.now(), spec = spec })
  return { token = token }
end

function driver.find(_, token)
  local run = read(token)
  return run and run.started and { token = token } or nil
end

local function observe(run)
  if not run or not run.started then
    return { state = "lost", message = "nothing of this token was started" }
  end
  local spec, age = run.spec, host.now() - run.started
  if run.stopped then
    return { state = "failed", signal = run.stopped, native = "STOPPED" }
  elseif age < spec.pending_for then
    return { state = "pending", message = "waiting for room, as the resource asks", native = "PENDING" }
  elseif spec.ends == "never" or age < spec.pending_for + spec.run_for then
    return { state = "running", native = "RUNNING" }
  elseif spec.ends == "preempted" or spec.ends == "lost" then
    return { state = spec.ends, native = string.upper(spec.ends) }
  elseif spec.out_of_memory then
    return { state = "failed", exit_code = 137, signal = 9, out_of_memory = true, native = "OOM" }
  elseif spec.signal then
    return { state = "failed", signal = spec.signal, native = "SIGNALLED" }
  end
  return { state = spec.exit_code == 0 and "succeeded" or "failed", exit_code = spec.exit_code, native = "EXITED" }
end

function driver.poll(_, handles)
  local rows = {}
  for i, handle in ipairs(handles) do rows[i] = observe(read(handle.token)) end
  return rows
end

function driver.stop(_, handle, how)
  local run = read(handle.token)
  if not run or not run.started then return true end
  local state = observe(run).state
  if state ~= "running" and state ~= "pending" then return true end
  if run.spec.ignores_stop and how.grace > 0 then return true end
  run.stopped = how.grace > 0 and 15 or 9
  write(handle.token, run)
  return true
end

function driver.forget(_, handle)
  host.files.remove(path(handle.token))
  return true
end

function driver.logs(_, handle, cursor)
  local run = read(handle.token)
  if not run or not run.started then return { bytes = "", cursor = cursor or 0, done = true } end
  local text = run.spec.output == "" and "" or string.rep(run.spec.output .. "\n", run.spec.repeats)
  local from = cursor or 0
  local to = math.min(#text, from + 65536)
  local state = observe(run).state
  return {
    bytes = string.sub(text, from + 1, to),
    cursor = to,
    done = state ~= "running" and state ~= "pending" and to == #text,
  }
end

function driver.stats(_, handles)
  local rows = {}
  for i, handle in ipairs(handles) do
    local run = read(handle.token)
    rows[i] = { cpu = 0.5, memory = 1048576, gpu = run and run.spec and run.spec.gpus and 0.9 or nil }
  end
  return rows
end

return driver
