-- One virtual environment for each Python version and dependency list, kept in the plugin's data folder. A folder
-- without its `complete` mark is what an interrupted build left, and is made anew.

local dependencies = require "dependencies"

local builder = {}

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

function builder.build(ctx, build, key)
  local prefix = ctx.data .. "/" .. key
  if host.files.exists(key .. "/complete") then
    return { prefix = prefix }
  end
  host.files.remove(key)
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
    -- In the job's folder: paths in a list are taken from where pip runs.
    ok, err = run({
      prefix .. "/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", list,
      cwd = build.folder,
    }, timeout)
    if not ok then return nil, err end
  end
  host.files.write(key .. "/complete", "")
  return { prefix = prefix }
end

return builder
