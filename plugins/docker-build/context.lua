-- What goes into an image, for whatever builds it: what the image is named after, and the packed source.

local dependencies = require "venv/dependencies"
local recipe = require "recipe"

local context = {}

-- Grows when the same source would give another image.
local VERSION = 1
-- Characters of a key that name an image; enough that no two meet. Characters of a job's name in it.
local TAG, NAME = 20, 100
-- Seconds for packing a folder.
local PACKING = 600
-- The same for all who pack the same source, and past 1980, before which zip archives have no time: 2000.
local TIME = "@946684800"

-- Identity of what would be built.
function context.key(config, build)
  local text, failure = recipe.text(config, build)
  if not text then return nil, failure end
  return host.sha256(host.json.encode(host.json.list {
    VERSION, dependencies.files(build), text, config.dockerfile, config.repository, config.build_args or {},
  }))
end

-- Names of images are lower case, in groups of letters and digits.
function context.image(repository, build, key)
  local name = string.gsub(string.lower(build.job or "job"), "[^%l%d]+", "-")
  name = string.gsub(string.sub(string.gsub(name, "^%-+", ""), 1, NAME), "%-+$", "")
  return repository .. "/" .. (name ~= "" and name or "job") .. ":" .. string.sub(key, 1, TAG)
end

local function tar(...)
  local out, failure = host.exec { "tar", timeout = PACKING, ... }
  if not out then return nil, failure end
  if out.code == 0 then return true end
  return nil, fail { code = "target_error", message = "the job's folder cannot be packed", detail = out.stderr }
end

-- Packs the source as `name` in the folder `key` of the plugin's own: as it is where it has a Dockerfile of its own,
-- else the generated one with the source beside it. `form` is tar's option for creating it. Answers the Dockerfile's
-- path in the archive, and the archive's.
function context.pack(config, build, key, name, form)
  local file = key .. "/" .. name
  host.files.remove(key)
  -- Makes the folder.
  local ok, failure = host.files.write(file, "")
  if not ok then return nil, failure end
  local own, whole = config.dockerfile, host.files.path(file)
  local words = { "-C", build.folder, "." }
  if own == "" or not tar("-C", build.folder, "-cf", "/dev/null", "./" .. own) then
    local text
    text, failure = recipe.text(config, build)
    if not text then return nil, failure end
    own = "Dockerfile"
    host.files.write(key .. "/" .. own, text)
    -- What links point to does not change with the names.
    local rename = "s,^\\.," .. recipe.SOURCE .. ",S"
    words = { "-C", host.files.path(key), own, "--transform", rename, "-C", build.folder, "." }
  end
  ok, failure = tar(
    "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--mtime=" .. TIME, form, whole, table.unpack(words))
  if not ok then return nil, failure end
  return own, file
end

return context
