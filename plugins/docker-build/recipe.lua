-- The Dockerfile of a job that has none: dependencies before code, so that an edit of the code builds one layer.

local dependencies = require "venv/dependencies"

local recipe = {}

-- Arguments that every Dockerfile has without declaring them.
local PREDEFINED = { HTTP_PROXY = true, HTTPS_PROXY = true, FTP_PROXY = true, NO_PROXY = true, ALL_PROXY = true }
-- Runs pip without what lies where it runs: a file named like a module of Python's would be taken for that module.
local APART = "import runpy, sys; sys.path.pop(0); sys.argv[0] = 'pip'; runpy.run_module('pip', run_name='__main__')"
-- Where the code is in the image.
local FOLDER = "/app"

-- Where the code is in the context.
recipe.SOURCE = "source"

local function base(config, build)
  local image = config.base_image
  if build.gpu and config.accelerator_image ~= "" then image = config.accelerator_image end
  local version, failure = dependencies.python(build, config.python)
  if not version then return nil, failure end
  return (string.gsub(image, "{python}", (string.gsub(version, "%%", "%%%%"))))
end

local function quoted(words)
  return host.json.encode(host.json.list(words))
end

-- The Dockerfile's text, or nil and a failure.
function recipe.text(config, build)
  local image, failure = base(config, build)
  if not image then return nil, failure end
  local lines = { "FROM " .. image }
  local names = {}
  for name in pairs(config.build_args or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not PREDEFINED[string.upper(name)] then lines[#lines + 1] = "ARG " .. name end
  end
  local path = build.source.requirements
  local copy = "COPY --chown=" .. config.user .. " " .. recipe.SOURCE .. " " .. FOLDER
  local install = { "install", "--no-cache-dir", "--disable-pip-version-check" }
  local pip = { "-m", "pip" }
  local function run(...)
    local words = { "python3", table.unpack(pip) }
    for _, word in ipairs(install) do words[#words + 1] = word end
    for _, word in ipairs { ... } do words[#words + 1] = word end
    lines[#lines + 1] = "RUN " .. quoted(words)
  end
  if not path then
    lines[#lines + 1] = copy
  elseif string.find(path, "pyproject%.toml$") then
    lines[#lines + 1] = copy
    run(FOLDER .. "/" .. (string.match(path, "^(.*/)") or ""))
  elseif dependencies.stand_alone(build.requirements or "") then
    lines[#lines + 1] = "COPY " .. quoted { recipe.SOURCE .. "/" .. path, "/tmp/requirements.txt" }
    run("-r", "/tmp/requirements.txt")
    lines[#lines + 1] = copy
  else
    -- Paths in a list are taken from where pip runs.
    lines[#lines + 1] = copy
    lines[#lines + 1] = "WORKDIR " .. FOLDER
    pip = { "-c", APART }
    run("-r", path)
  end
  lines[#lines + 1] = "WORKDIR " .. FOLDER
  lines[#lines + 1] = "ENV HOME=" .. FOLDER
  lines[#lines + 1] = "USER " .. config.user
  return table.concat(lines, "\n") .. "\n"
end

return recipe
