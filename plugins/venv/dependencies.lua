-- What a job says of its Python and of what it depends on. Used by other builders, too.

local dependencies = {}

-- How a line begins that names a file beside the list, and what a path has in it.
local BEGINNINGS = { "%-[rcef]", "%-%-requirement", "%-%-constraint", "%-%-editable", "%-%-find%-links", "%." }
local PATHS = { "/", "file:", "@%s*%.", "%.whl", "%.tar%." }

local function names_file(line)
  for _, beginning in ipairs(BEGINNINGS) do
    if string.find(line, "^%s*" .. beginning) then return true end
  end
  for _, sign in ipairs(PATHS) do
    if string.find(line, sign) then return true end
  end
  return false
end

-- Whether a list can be installed without the folder that it lies in: it names no files beside it.
function dependencies.stand_alone(list)
  for line in string.gmatch(list, "[^\r\n]+") do
    -- Neither comments nor addresses are paths; an address of this machine is.
    line = string.gsub(string.gsub(string.gsub(line, "^%s*#.*", ""), "%s#.*", ""), "https?://%S*", "")
    if names_file(line) then return false end
  end
  return true
end

-- The Python version that a job asks for, `otherwise` where it asks for none; nil and a failure for what is no version:
-- it becomes part of a program's or an image's name.
function dependencies.python(build, otherwise)
  local version = build.source.python
  if not version or string.find(version, "^%d[%w.]*$") then return version or otherwise end
  return nil, fail {
    code = "config_invalid", message = "the job's Python version `" .. version .. "` is none",
    hint = "create the job again with --runtime 3.11, or another version that there is",
  }
end

-- What tells the files of one build from those of another.
function dependencies.files(build)
  local git = build.source.git or {}
  return host.json.list { build.source.manifest or "", git.commit or "", git.url or "", git.folder or "" }
end

return dependencies
