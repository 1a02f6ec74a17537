-- The Dockerfile of a job that has none: dependencies before code, so that an edit of the code builds one layer.

local recipe = {}

-- Arguments that every Dockerfile has without declaring them.
local PREDEFINED = { HTTP_PROXY = true, HTTPS_PROXY = true, FTP_PROXY = true, NO_PROXY = true, ALL_PROXY = true }
-- Where the code is in the image.
local FOLDER = "/app"

-- Where the code is in the context.
recipe.SOURCE = "source"

function recipe.base(config, build)
  local base = config.base_image
  if build.gpu and config.accelerator_image ~= "" then base = config.accelerator_image end
  return (string.gsub(base, "{python}", (string.gsub(build.source.python or config.python, "%%", "%%%%"))))
end

-- Whether a dependency list can be installed without the folder that it lies in: it names no files beside it.
local function stands_alone(requirements)
  for line in string.gmatch(requirements .. "\n", "([^\n]*)\n") do
    local text = string.match(line, "^%s*(.-)%s*$")
    if string.find(text, "^%-[rce]") or string.find(text, "^%-%-requirement") or string.find(text, "^%-%-constraint")
      or string.find(text, "^%-%-editable") or string.find(text, "^%-%-find%-links") or string.find(text, "^%.")
      or string.find(text, "file:", 1, true) or string.find(text, "@ %.") then
      return false
    end
  end
  return true
end

local function quoted(words)
  return host.json.encode(host.json.list(words))
end

function recipe.text(config, build)
  local lines = { "FROM " .. recipe.base(config, build) }
  local names = {}
  for name in pairs(config.build_args or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not PREDEFINED[string.upper(name)] then lines[#lines + 1] = "ARG " .. name end
  end
  local path = build.source.requirements
  local copy = "COPY --chown=" .. config.user .. " " .. recipe.SOURCE .. " " .. FOLDER
  local install = { "python3", "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check" }
  local function run(...)
    local words = { table.unpack(install) }
    for _, word in ipairs { ... } do words[#words + 1] = word end
    lines[#lines + 1] = "RUN " .. quoted(words)
  end
  if not path then
    lines[#lines + 1] = copy
  elseif string.find(path, "pyproject%.toml$") then
    lines[#lines + 1] = copy
    run(FOLDER .. "/" .. (string.match(path, "^(.*/)") or ""))
  elseif stands_alone(build.requirements or "") then
    lines[#lines + 1] = "COPY " .. quoted { recipe.SOURCE .. "/" .. path, "/tmp/requirements.txt" }
    run("-r", "/tmp/requirements.txt")
    lines[#lines + 1] = copy
  else
    lines[#lines + 1] = copy
    run("-r", FOLDER .. "/" .. path)
  end
  lines[#lines + 1] = "WORKDIR " .. FOLDER
  lines[#lines + 1] = "ENV HOME=" .. FOLDER
  lines[#lines + 1] = "USER " .. config.user
  return table.concat(lines, "\n") .. "\n"
end

return recipe
