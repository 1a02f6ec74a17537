-- The folder of one run, which its job on the node sees too:
--
--   script      what the job runs           job     id of the job that has the run
--   output      what it prints              end     how it ended: exit code, bytes printed, time
--   secrets/    one file a secret           why         what was wrong before the program began
--   source, config.json, work               what it works on
--   array, tasks                            the indexes of an array, and how tasks ended
--
-- `output`, `end` and `why` of a task of an array end with its index: output-3. All paths are below `runs` of the
-- plugin's data folder, which is a link to the shared folder where the operator names one.

local folder = {}

local ROOT = "runs"

-- Where nodes find the runs.
function folder.root(ctx)
  if not ctx.config.shared then return ctx.data .. "/" .. ROOT end
  return (string.gsub(ctx.config.shared, "/+$", "")) .. "/lunaport-" .. (ctx.owner or "agent")
end

-- Where a node finds a run.
function folder.path(ctx, token) return folder.root(ctx) .. "/" .. token end

local function inside(token, name) return ROOT .. "/" .. token .. (name and "/" .. name or "") end

-- Whether a path of the agent's machine is seen by the nodes.
function folder.is_visible(ctx, path)
  local shared = ctx.config.shared
  if not shared then return true end
  shared = string.gsub(shared, "/+$", "") .. "/"
  return string.sub(path, 1, #shared) == shared
end

local function run(command)
  local out, err = host.exec(command)
  if not out then return nil, err end
  if out.code == 0 then return true end
  return nil, fail {
    code = "target_error", message = "the run's folder cannot be made: " .. string.gsub(out.stderr, "%s+$", ""),
    hint = "the setting `shared` must name a folder that the agent may write to",
  }
end

-- Whether runs can be seen: true, or nil and a failure. A file system that is not mounted must not make them lost, nor
-- be made anew in the empty place below it.
function folder.is_there(ctx)
  if host.files.exists(ROOT) then return true end
  local was_made = false
  for _, name in ipairs(host.files.list(".")) do was_made = was_made or name == ROOT end
  if not was_made then return false end
  return nil, fail { code = "unavailable", message = "the folder of the runs is not there: " .. folder.root(ctx),
    hint = "is the shared file system mounted?", retry = "safe" }
end

-- Makes the place where runs lie.
function folder.prepare(ctx)
  local is_there, err = folder.is_there(ctx)
  if is_there or err then return is_there, err end
  local root = folder.root(ctx)
  local ok
  ok, err = run { "mkdir", "-p", "-m", "700", "--", root }
  if ok and ctx.config.shared then
    ok, err = run { "ln", "-sfn", "--", root, ctx.data .. "/" .. ROOT }
  end
  return ok, err
end

function folder.has(token) return host.files.exists(inside(token)) end
function folder.write(token, name, content) return host.files.write(inside(token, name), content) end
function folder.read(token, name) return host.files.read(inside(token, name)) end
function folder.size(token, name) return host.files.size(inside(token, name)) end
function folder.exists(token, name) return host.files.exists(inside(token, name)) end
function folder.remove(token, name) return host.files.remove(inside(token, name)) end

-- Copies a file or folder of the agent's machine, for nodes that do not see it.
function folder.copy(token, path, name)
  local to = host.files.path(inside(token, name))
  local ok, err = host.files.remove(inside(token, name))
  if not ok then return nil, err end
  return run { "cp", "-R", "-p", "--", path, to }
end

-- Bytes of a file from an offset on. Through a program, because the host reads only whole files of a moderate size.
function folder.slice(token, name, offset, count)
  local out, err = host.exec {
    "dd", "if=" .. host.files.path(inside(token, name)), "iflag=skip_bytes,count_bytes", "bs=64K",
    "skip=" .. string.format("%d", offset), "count=" .. string.format("%d", count), "status=none",
  }
  if not out then return nil, err end
  if out.code ~= 0 then
    return nil, fail { code = "unavailable", message = "the run's output cannot be read", retry = "safe" }
  end
  return out.stdout
end

-- How the program ended, as its script noted it: { code, size, time }; nil where it did not come so far.
function folder.ending(token, task)
  local text = folder.read(token, "end" .. (task and "-" .. task or ""))
  local code, size, time = string.match(text or "", "^(%d+) (%d+) (%d+)")
  if not code then return nil end
  return { code = tonumber(code), size = tonumber(size), time = tonumber(time) }
end

-- Id of the job that has the run, where one has begun.
function folder.job(token)
  return string.match(folder.read(token, "job") or "", "^(%d+)")
end

return folder
