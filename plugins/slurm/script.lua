-- What a job runs: some lines that Slurm keeps, and a script of ours in the run's folder. Slurm sees neither the
-- command nor the environment; secrets are in neither.

local script = {}

-- A word for the shell that is nothing but this text.
function script.quote(text)
  return "'" .. string.gsub(text, "'", "'\\''") .. "'"
end

local function quoted(words)
  local list = {}
  for i, word in ipairs(words) do list[i] = script.quote(word) end
  return table.concat(list, " ")
end

function script.is_variable(name) return string.find(name, "^[%a_][%w_]*$") ~= nil end

local function invalid(message, hint)
  return nil, fail { code = "config_invalid", message = message, hint = hint }
end

-- Names begin with `lunaport_`, so that no variable of the program is one of them by chance.
--
-- Who had the run first has it: a submission whose answer was lost may have been made twice. The link is made whole or
-- not at all, so that tasks of one array never see an empty file.
local CLAIM = [[
lunaport_run=$1
lunaport_job=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}
lunaport_task=${SLURM_ARRAY_TASK_ID:+-$SLURM_ARRAY_TASK_ID}
cd "$lunaport_run" || exit 75
echo "$lunaport_job" >"job.$SLURM_JOB_ID" && ln "job.$SLURM_JOB_ID" job 2>/dev/null
rm -f "job.$SLURM_JOB_ID" "end$lunaport_task" "why$lunaport_task"
[ -s job ] || { echo "lunaport: the folder of the run cannot be written to" >&2; exit 75; }
[ "$(cat job)" = "$lunaport_job" ] || exit 75
lunaport_give_up() {
  echo "lunaport: $1" >&2
  echo "$1" >"$lunaport_run/why$lunaport_task"
  exit "${2:-1}"
}
# A signal to all of the job is for the program; this script lives on to say how it ended.
trap : HUP INT QUIT TERM USR1 USR2 ALRM XCPU
# A shell tells of a child that a signal ended; what is in the run's log is the program's own.
exec 3>&2 2>/dev/null
(
exec 2>&3 3>&-]]

-- What comes after the program, which has had a shell of its own: its variables and folder change nothing here.
local NOTE = [[
)
lunaport_code=$?
echo "$lunaport_code $(wc -c <"output$lunaport_task") $(date +%s)" >"end$lunaport_task.new"
mv "end$lunaport_task.new" "end$lunaport_task"
exit "$lunaport_code"
]]

-- The secret's text comes from its file, byte for byte: the x keeps newlines at its end.
local SECRET = '@=$(cat "$lunaport_run/secrets/@" && echo x) && @=${@%x} && export @'
  .. ' || lunaport_give_up "the secret of @ is not there"'

-- What goes before the command: srun where it runs more than once, and what runs its image.
local function launcher(run, config)
  local resource = run.resource
  local several = (resource.ntasks or 1) > 1 or resource.ntasks_per_node or (resource.nodes or 1) ~= 1
  local image = resource.container_image or run.image
  local mounts = table.concat(resource.container_mounts or {}, ",")
  -- The image's own entry point; the command has at most its arguments.
  local is_own = image and #(run.entry_point or run.command) == 0
  local words = {}
  local function add(...)
    for _, word in ipairs { ... } do words[#words + 1] = word end
  end
  local is_pyxis = image and config.containers == "pyxis"
  if resource.launch == "srun" or resource.container or resource.launch == "auto" and (several or is_pyxis) then
    add("srun", "--kill-on-bad-exit=1")
  end
  if resource.container then
    add("--container=" .. resource.container)
  elseif is_pyxis then
    if resource.launch == "batch" then return invalid("a container of pyxis needs srun, and `launch` says batch") end
    if #run.command == 0 then return invalid("pyxis needs a command, and the run leaves it to its image") end
    add("--container-image=" .. image)
    if mounts ~= "" then add("--container-mounts=" .. mounts) end
    if is_own then add("--container-entrypoint") end
  elseif image and config.containers == "apptainer" then
    add("apptainer", is_own and "run" or "exec")
    if resource.gpus or resource.gpus_per_node or resource.gpus_per_task then add("--nv") end
    if mounts ~= "" then add("--bind", mounts) end
    add(string.find(image, "^%w+://") and image or string.find(image, "^/") and image or "docker://" .. image)
  elseif image then
    return invalid("the run has the image `" .. image .. "`, and nothing is set up here to run images",
      "the operator's setting `containers` says what does: pyxis or apptainer")
  end
  return words
end

-- Adds the run's variables, secrets first: what reads them is found by a PATH that the run may change. Gives the
-- secrets by variable.
local function exports(lines, run)
  local env, secrets, plain = {}, {}, {}
  for name, value in pairs(run.environment) do env[name] = value end
  for name, value in pairs(run.resource.env or {}) do env[name] = value end
  local names = {}
  for name in pairs(env) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = env[name]
    if not script.is_variable(name) then return invalid("`" .. name .. "` is no name of a variable") end
    if type(value) == "table" then
      secrets[name] = value
      lines[#lines + 1] = string.gsub(SECRET, "@", name)
    else
      if string.find(value, "\0", 1, true) then return invalid("the variable `" .. name .. "` has a null byte") end
      plain[#plain + 1] = "export " .. name .. "=" .. script.quote(value)
    end
  end
  -- What may run again needs its secrets again; `forget` removes them then.
  if next(secrets) and not run.resource.array and not run.resource.requeue then
    lines[#lines + 1] = 'rm -rf "$lunaport_run/secrets"'
  end
  for _, line in ipairs(plain) do lines[#lines + 1] = line end
  if run.prefix then
    lines[#lines + 1] = "export VIRTUAL_ENV=" .. script.quote(run.prefix)
    lines[#lines + 1] = "export PATH=" .. script.quote(run.prefix .. "/bin") .. ':"$PATH"'
  end
  return secrets
end

-- The script of a run and its secrets by variable, from its request and where its folders are for the node: texts for
-- the shell, which may use $lunaport_run. Pure.
function script.of(run, config, places)
  local resource = run.resource
  local command = run.command
  for _, word in ipairs(command) do
    if string.find(word, "\0", 1, true) then return invalid("an argument has a null byte") end
  end
  local words, err = launcher(run, config)
  if not words then return nil, err end
  if #command == 0 and #words == 0 then return invalid("the run has no command") end
  local lines = { "# Run " .. run.run .. ", attempt " .. run.attempt .. ": the job on the node runs this.", CLAIM }
  for _, line in ipairs(config.prologue or {}) do lines[#lines + 1] = line end
  for _, name in ipairs(resource.modules or {}) do
    lines[#lines + 1] = "module load " .. script.quote(name) .. " || lunaport_give_up "
      .. script.quote("the module " .. name .. " cannot be loaded") .. " 127"
  end
  for _, line in ipairs(resource.prologue or {}) do lines[#lines + 1] = line end
  local secrets, problem = exports(lines, run)
  if not secrets then return nil, problem end
  if places.config then lines[#lines + 1] = "export LUNAPORT_CONFIG=" .. places.config end
  lines[#lines + 1] = "cd " .. places.folder .. " || lunaport_give_up 'the folder of the run is not there' 126"
  lines[#lines + 1] = "exec " .. (#words > 0 and quoted(words) .. " " or "") .. quoted(command)
  lines[#lines + 1] = NOTE
  return table.concat(lines, "\n"), secrets
end

-- slurmrestd gives a job no home, and login shells need one.
local HOME = '[ -n "${HOME:-}" ] || { HOME=$(getent passwd "$(id -u)" | cut -d: -f6) && export HOME; }'

-- What Slurm is given: it knows a path, and nothing of what runs.
function script.entry(path, login)
  local shell = login and "/bin/bash -l" or "/bin/sh"
  return "#!/bin/sh\n" .. HOME .. "\nexec " .. shell .. " " .. script.quote(path .. "/script") .. " "
    .. script.quote(path) .. "\n"
end

return script
