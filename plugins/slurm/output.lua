-- What runs print. One file a run, which the host reads by itself; one file a task of an array, whose lines get the
-- task's index before them.

local folder = require "folder"
local options = require "options"
local outcome = require "outcome"

local output = {}

-- Seconds after the end in which a file system may still show less than the node wrote.
local LATE_SECONDS = 3

-- Bytes of one task that are taken at one time, and of all.
local PIECE_BYTES, CALL_BYTES = 65536, 196608

-- Whether each of these tasks has noted its end: what can be seen without asking Slurm.
function output.has_ended(run, names)
  for _, name in ipairs(names) do
    local index = string.match(name, "_(%d+)$")
    if not folder.exists(run.token, "end" .. (index and "-" .. index or "")) then return false end
  end
  return true
end

-- The output of an ended run is whole where the file has what the script counted, or its time is over.
local function is_whole(ctx, run, ended_at)
  local ending = folder.ending(run.token)
  if ending then
    if (folder.size(run.token, "output") or 0) >= ending.size then return true end
  elseif not ctx.config.shared then
    return true
  end
  return host.now() - ended_at >= LATE_SECONDS
end

local function prefixed(index, text)
  local mark = "[" .. index .. "] "
  text = mark .. string.gsub(text, "\n", "\n" .. mark)
  return string.sub(text, -#mark) == mark and string.sub(text, 1, -#mark - 1) or text .. "\n"
end

-- The next piece of one task's output in whole lines, and how many bytes of its file that is.
local function piece(run, index, from, size, is_over)
  local text, err = folder.slice(run.token, "output-" .. index, from, math.min(size - from, PIECE_BYTES))
  if not text then return nil, err end
  local last = string.match(text, ".*()\n")
  if last then
    text = string.sub(text, 1, last)
  elseif #text < PIECE_BYTES and not is_over and not folder.exists(run.token, "end-" .. index) then
    return "", nil, 0
  end
  return prefixed(index, text), nil, #text
end

local function tasks(run, cursor, is_over)
  local at, parts, left, is_whole_now = cursor and cursor.at or {}, {}, CALL_BYTES, true
  for _, index in ipairs(options.indexes(run.array) or {}) do
    local key = tostring(index)
    local from, size = at[key] or 0, folder.size(run.token, "output-" .. key) or 0
    if size > from and left > 0 then
      local text, err, count = piece(run, key, from, size, is_over)
      if not text then return nil, err end
      if count > 0 then
        parts[#parts + 1] = text
        at[key] = from + count
        left = left - #text
      end
    end
    if size > (at[key] or 0) then is_whole_now = false end
  end
  return { bytes = table.concat(parts), cursor = { at = at }, done = is_over and is_whole_now }
end

function output.logs(ctx, way, run, cursor)
  -- Asked before the files are read: what ended before has written all that is then read. Output that is there is given
  -- while Slurm itself cannot be asked, too.
  local ended_at = outcome.ended_at(ctx, way, run)
  if run.array then return tasks(run, cursor, ended_at ~= nil) end
  return {
    file = host.files.path("runs/" .. run.token .. "/output"),
    done = ended_at ~= nil and is_whole(ctx, run, ended_at),
  }
end

return output
