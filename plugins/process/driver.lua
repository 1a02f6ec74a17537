-- Local processes, each held by a small program of its own (the shim), so that it outlives its agent. A run's state
-- lies in the shim's folder: `poll` after a restart reads the same files as before it.

local driver = {}

function driver.probe()
  return host.process.probe()
end

function driver.plan(_, run)
  local resource = run.resource
  local argv = run.command
  if resource.shell then
    argv = { "/bin/sh", "-c", table.concat(run.command, " ") }
  end
  local env = {}
  for name, value in pairs(run.environment) do env[name] = value end
  for name, value in pairs(resource.env or {}) do env[name] = value end
  return {
    argv = argv,
    env = env,
    folder = run.folder,
    prefix = run.prefix,
    cwd = resource.cwd,
    memory = resource.memory and host.bytes(resource.memory),
    cpu = resource.cpu,
    fenced = run.fenced,
  }
end

function driver.start(_, spec, token)
  return host.process.start(spec, token)
end

function driver.find(_, token)
  return host.process.find(token)
end

function driver.poll(_, handles)
  return host.process.status(handles)
end

function driver.stop(_, handle, how)
  return host.process.stop(handle, how.grace)
end

function driver.signal(_, handle, signal)
  return host.process.signal(handle, signal)
end

function driver.forget(_, handle)
  return host.process.forget(handle)
end

function driver.logs(_, handle)
  -- A file is read by the host from where it left off; its bytes never pass through Lua.
  return host.process.output(handle)
end

function driver.stats(_, handles)
  return host.process.usage(handles)
end

return driver
