-- Takes the frames of a log's response apart, and knows from where to go on after each.
--
-- The engine gives the entries of a log from a time on (`since`), in the order in which they were written, each in a
-- frame of its own with its time before it. Times are no place to go on from: entries share one, are written out of
-- their order (stdout and stderr are read apart), and Podman tells whole seconds. But the entries from one whole second
-- on are a sequence that only grows. So a cursor is that second (`since`) and the bytes of the sequence that were taken
-- already (`skip`). The second follows the newest entry at a distance, and stays where a line is unfinished: dockerd
-- gives all parts of a line the time of its first.
--
-- What is skipped is not looked at again: the cursor has the sizes of its seconds, too.

local frames = {}
frames.__index = frames

-- Seconds that an entry may be written after one with a later time.
local SLACK = 2
-- Bytes of the response that make a piece of output.
local PIECE = 262144
-- Seconds that a cursor tells apart; where an unfinished line keeps more, neighbours are told as one.
local SECONDS = 32

-- A reader that goes on at `cursor`: { since, skip, last, sizes = { { second, bytes } ... }, open = { by stream } }.
function frames.at(cursor)
  local self = setmetatable({
    since = cursor.since, left = cursor.skip, last = cursor.last, sizes = {}, open = {},
    rest = "", parts = {}, count = 0, pieces = {}, total = 0,
  }, frames)
  for i, size in ipairs(cursor.sizes) do self.sizes[i] = { size[1], size[2] } end
  for stream, second in pairs(cursor.open) do self.open[stream] = second end
  return self
end

frames.beginning = { since = 0, skip = 0, last = 0, sizes = {}, open = {} }

-- Adds `size` bytes to a second, which is one of the newest.
function frames:grow(second, size)
  local sizes = self.sizes
  local i = #sizes
  while i > 0 and sizes[i][1] > second do i = i - 1 end
  if i > 0 and sizes[i][1] == second then
    sizes[i][2] = sizes[i][2] + size
  else
    table.insert(sizes, i + 1, { second, size })
  end
end

-- The cursor after what was taken so far.
function frames:cursor()
  local reach = self.last - SLACK
  for _, second in pairs(self.open) do reach = math.min(reach, second) end
  local sizes = self.sizes
  -- Only to the beginning of a second that is told apart: how many bytes come after it is known exactly.
  while sizes[2] and sizes[2][1] <= reach do table.remove(sizes, 1) end
  while #sizes > SECONDS do
    sizes[1][2] = sizes[1][2] + sizes[2][2]
    table.remove(sizes, 2)
  end
  local cursor = { since = self.since, skip = 0, last = self.last, sizes = {}, open = {} }
  if sizes[1] then cursor.since = math.max(self.since, math.min(reach, sizes[1][1])) end
  for i, size in ipairs(sizes) do
    cursor.skip = cursor.skip + size[2]
    cursor.sizes[i] = { size[1], size[2] }
  end
  for stream, second in pairs(self.open) do cursor.open[stream] = second end
  return cursor
end

-- Ends a piece of output, where there is any; `done` says that nothing will follow.
function frames:cut(done)
  if self.count == 0 and not done then return end
  self.pieces[#self.pieces + 1] = { bytes = table.concat(self.parts), cursor = self:cursor(), done = done }
  self.parts, self.total, self.count = {}, self.total + self.count, 0
end

-- The whole second of an entry's time; many in a row have the same.
function frames:second(entry)
  local key = string.sub(entry, 1, 19)
  if key ~= self.key then
    local time = host.time.parse(string.match(entry, "^%S*"))
    self.key, self.value = key, math.floor(time or self.last)
  end
  return self.value
end

function frames:entry(stream, entry, size)
  local second = self:second(entry)
  self.last = math.max(self.last, second)
  self:grow(second, size)
  if string.byte(entry, -1) == 10 then
    self.open[stream] = nil
  else
    self.open[stream] = math.min(self.open[stream] or second, second)
  end
  self.parts[#self.parts + 1] = string.sub(entry, (string.find(entry, " ", 1, true) or 0) + 1)
  self.count = self.count + size
  if self.count >= PIECE then self:cut() end
end

-- How many frames a whole response has.
function frames.count(body)
  local count, at = 0, 1
  while #body - at >= 7 do
    at = at + 8 + string.unpack(">xxxx I4", body, at)
    count = count + 1
  end
  return count
end

-- Takes bytes of the response as they come; false when pieces of `enough` bytes are there.
function frames:take(bytes, enough)
  if self.left >= #bytes then
    self.left = self.left - #bytes
    return true
  end
  local data, at = self.rest .. string.sub(bytes, self.left + 1), 1
  self.left = 0
  while #data - at >= 7 do
    local stream, size = string.unpack(">B xxx I4", data, at)
    if #data - at - 7 < size then break end
    self:entry(tostring(stream), string.sub(data, at + 8, at + 7 + size), size + 8)
    at = at + 8 + size
    if self.total >= enough then return false end
  end
  self.rest = string.sub(data, at)
  return true
end

return frames
