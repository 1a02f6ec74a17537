-- A container's output, exactly once, for any cut.

local frames = require "frames"

local output = {}

-- Bytes that are read ahead of what was asked for, of one run and of all: for each request the engine reads its log
-- from the cursor's second on, and a burst of output in one second would be read anew for each piece of it.
local AHEAD, AHEAD_IN_ALL = 4194304, 16777216

-- Pieces read ahead, by container: { at = cursor, pieces = { { bytes, cursor, done } ... } }; and the bytes of all.
local ahead, held = {}, 0

local function drop(id)
  local entry = ahead[id]
  if not entry then return end
  for _, piece in ipairs(entry.pieces) do held = held - #piece.bytes end
  ahead[id] = nil
end

-- The next piece that was read ahead, where the cursor fits.
local function next_piece(id, cursor)
  local entry = ahead[id]
  if not entry then return end
  if entry.at.since ~= cursor.since or entry.at.skip ~= cursor.skip then return drop(id) end
  local piece = table.remove(entry.pieces, 1)
  held = held - #piece.bytes
  entry.at = piece.cursor
  if not entry.pieces[1] then ahead[id] = nil end
  return piece
end

-- Output from `cursor` on: { bytes, cursor, done }. `ask(query, each)` reads the container's log in chunks; `ended`
-- says that nothing more is written to it. `later` is for an engine that leaves out entries of the very time asked for.
function output.read(ask, id, cursor, ended, later)
  cursor = cursor or frames.beginning
  local piece = next_piece(id, cursor)
  if piece then return piece end
  local reader = frames.at(cursor)
  local enough = held + AHEAD <= AHEAD_IN_ALL and AHEAD or 1
  local since = tostring(cursor.since)
  if later and cursor.since > 0 then since = string.format("%d.999999999", cursor.since - 1) end
  local answer, failure = ask({ stdout = "1", stderr = "1", timestamps = "1", since = since }, function(bytes)
    return reader:take(bytes, enough)
  end)
  if not answer then return nil, failure end
  local done = ended and answer.ended == "eof"
  reader:cut(done)
  local pieces = reader.pieces
  piece = table.remove(pieces, 1) or { bytes = "", cursor = cursor, done = false }
  if pieces[1] then
    drop(id)
    ahead[id] = { at = piece.cursor, pieces = pieces }
    for _, more in ipairs(pieces) do held = held + #more.bytes end
  end
  return piece
end

-- Nothing more is wanted of this container.
output.forget = drop

return output
