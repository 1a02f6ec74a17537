-- One virtual environment for each Python version and dependency list, kept in the plugin's data folder for as long as
-- runs ask for it. A folder without its `complete` mark is what an interrupted build left, and is made anew.

local dependencies = require "dependencies"

local builder = {}

-- Seconds between notes of when an environment was last asked for.
local NOTE = 86400
-- Seconds that removing an environment may take, and between looks at one that is being removed.
local REMOVING, LOOK = 600, 0.1

function builder.probe()
  local test = "import sys, venv, ensurepip; print(sys.version.split()[0])"
  local out, err = host.exec { "python3", "-c", test, timeout = 20 }
  if not out then return { health = "undetected", detail = err.message } end
  if out.code ~= 0 then
    return { health = "unhealthy", detail = "python3 cannot make virtual environments: install python3-venv" }
  end
  local version = string.match(out.stdout, "%S+")
  return { health = "healthy", detail = "Python " .. version, attributes = { python = version } }
end

-- The dependencies in pyproject.toml, one a line: what pip installs of a list. The project itself is not installed:
-- its files are the job's folder, and change more often than what they need.
local list_of_project = [[
import sys
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib
with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file).get("project", {})
if "dependencies" in project.get("dynamic", []):
    sys.exit("pyproject.toml leaves its dependencies to a build backend: list them there, or in requirements.txt")
with open(sys.argv[2], "w") as file:
    file.write("".join(line + "\n" for line in project.get("dependencies", [])))
]]

local function is_project(build)
  return string.match(build.source.requirements or "", "pyproject%.toml$") ~= nil
end

function builder.key(_, build)
  local python, err = dependencies.python(build, "3")
  if not python then return nil, err end
  local kind, list = is_project(build) and "project" or "venv", build.requirements or ""
  -- A list that names files beside it says not all of what is installed.
  local files = not is_project(build) and not dependencies.stand_alone(list)
  return host.sha256(
    kind .. " 1\npython" .. python .. "\n" .. list .. (files and host.json.encode(dependencies.files(build)) or ""))
end

local function run(command, timeout)
  host.log("$ " .. (command.shown or table.concat(command, " ")) .. "\n")
  command.shown = nil
  command.timeout = timeout
  command.stream = true
  local out, err = host.exec(command)
  if not out then return nil, err end
  if out.timed_out then
    return nil, fail {
      code = "timeout", message = command[1] .. " did not end in " .. timeout .. " s",
      hint = "give builds more time in `timeout` of the settings of plugin venv",
    }
  end
  if out.code ~= 0 then
    return nil, fail {
      code = "target_error",
      message = command[1] .. " ended with exit code " .. out.code,
      detail = out.stderr,
      hint = "the build's output is at the start of the run's log",
    }
  end
  return true
end

-- Notes that an environment was asked for now.
local function note(key)
  local last, now = tonumber(host.files.read(key .. "/used") or ""), math.floor(host.now())
  if not last or now - last >= NOTE then host.files.write(key .. "/used", tostring(now)) end
end

-- By key: an environment is being removed. By a program, for an environment has more files than a call has time for.
local removing = {}

local function remove(ctx, key)
  removing[key] = true
  local _ <close> = setmetatable({}, { __close = function() removing[key] = nil end })
  host.files.remove(key .. "/complete")
  return host.exec { "rm", "-rf", "--", ctx.data .. "/" .. key, timeout = REMOVING }
end

-- Removes environments that no run has asked for in a long time: each may have gigabytes.
local function clear(ctx)
  local keep = host.seconds(ctx.config.keep)
  for _, key in ipairs(host.files.list(".")) do
    if host.files.exists(key .. "/complete") then
      local last = tonumber(host.files.read(key .. "/used") or "")
      if not last then
        note(key)
      elseif host.now() - last > keep then
        remove(ctx, key)
      end
    end
  end
end

function builder.build(ctx, build, key)
  local prefix = ctx.data .. "/" .. key
  if host.files.exists(key .. "/complete") then
    note(key)
    return { prefix = prefix }
  end
  clear(ctx)
  while removing[key] do host.sleep(LOOK) end
  remove(ctx, key)
  local timeout = host.seconds(ctx.config.timeout)
  local version, ok, err
  version, err = dependencies.python(build, "3")
  if not version then return nil, err end
  ok, err = run({ "python" .. version, "-m", "venv", prefix }, timeout)
  if not ok then
    if build.source.python and err.code == "not_found" then
      err.hint = "install python" .. version .. " on the agent's machine, or leave the job's Python version out"
    end
    return nil, err
  end
  if build.requirements then
    local list = build.folder .. "/" .. build.source.requirements
    if is_project(build) then
      local project = list
      list = prefix .. "/requirements.txt"
      local read = { prefix .. "/bin/python", "-c", list_of_project, project, list }
      read.shown = "python -c 'list the dependencies' " .. project
      ok, err = run(read, timeout)
      if not ok then return nil, err end
    end
    -- In the job's folder: paths in a list are taken from where pip runs. Not by `python -m pip`, which would take a
    -- file there named like a module of Python's for that module.
    ok, err = run({
      prefix .. "/bin/pip", "install", "--disable-pip-version-check", "--no-input", "-r", list, cwd = build.folder,
    }, timeout)
    if not ok then return nil, err end
  end
  note(key)
  host.files.write(key .. "/complete", "")
  return { prefix = prefix }
end

return builder
