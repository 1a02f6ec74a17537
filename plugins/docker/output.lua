-- A container's output, exactly once, for any cut.

local frames = require "frames"

local output = {}

-- Bytes that are read ahead of what was asked for, of one run and of all: for each request the engine reads its log
-- from its beginning, and a burst of output would have it do so for each piece.
local AHEAD, AHEAD_IN_ALL = 8388608, 25165824
-- Entries that are asked for first, and their bytes at most: those dockerd finds from the log's end.
local LATEST, LATEST_BYTES = 2000, 4194304

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

-- What came after `cursor`, where it is among the latest entries, and how that answer ended; nil where it may not be.
local function latest(ask, cursor, query)
  query.tail = tostring(LATEST)
  local answer, failure = ask(query, LATEST_BYTES)
  query.tail = nil
  if not answer then return nil, failure end
  -- All from the cursor's second on are there if they are few: the others of the latest ones are older than that. Half
  -- of them may be parts of a long line, which are as old as its beginning.
  if answer.cut or frames.count(answer.body) > LATEST / 2 then return nil end
  local reader = frames.at(cursor)
  reader:take(answer.body, math.huge)
  return reader
end

-- Output from `cursor` on: { bytes, cursor, done }. `ask(query, most)` reads the container's log, so many bytes at
-- most, or in chunks where `most` is a function; `ended` says that nothing more is written to it.
function output.read(ask, id, cursor, ended, podman)
  cursor = cursor or frames.beginning
  local piece = next_piece(id, cursor)
  if piece then return piece end
  local query = { stdout = "1", stderr = "1", timestamps = "1", since = tostring(cursor.since) }
  -- Podman leaves out entries of the very time asked for.
  if podman and cursor.since > 0 then query.since = string.format("%d.999999999", cursor.since - 1) end
  local reader, failure
  -- Podman puts the parts of a line together where it is asked for the latest entries.
  if not podman then reader, failure = latest(ask, cursor, query) end
  if failure then return nil, failure end
  local whole = reader ~= nil
  if not reader then
    reader = frames.at(cursor)
    local enough = held + AHEAD <= AHEAD_IN_ALL and AHEAD or 1
    local answer
    answer, failure = ask(query, function(bytes) return reader:take(bytes, enough) end)
    if not answer then return nil, failure end
    whole = answer.ended == "eof"
  end
  reader:cut(ended and whole)
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
