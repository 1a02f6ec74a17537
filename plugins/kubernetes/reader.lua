-- Reads a container's log from where it was left off. The API server can be asked for what came since a second, not
-- since a byte, so each line comes with its time, and the line last read is found again by it.
--
-- A position is { t = time of the last entry read, n = how many with that very time, o = bytes taken of that entry }.

local reader = {}

-- Runtimes cut a line without an end into entries of this size; Kubernetes before 1.24 puts a time before each.
local entry_bytes = 16384
local stamp = "^(%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*[Z+-][%d:]*) "
local stamp_bytes_max = 40

-- Where the entry starts whose content begins at `from`, and whether a line ends there. nil: more must come to tell.
local function entry_end(buffer, from, is_whole)
  local line_end = string.find(buffer, "\n", from, true)
  local cut = from + entry_bytes
  if #buffer >= cut and (not line_end or line_end > cut) then
    if #buffer < cut + stamp_bytes_max and not line_end and not is_whole then return nil end
    if string.find(buffer, stamp, cut) then return cut - 1 end
  end
  if line_end then return line_end end
  return is_whole and #buffer or nil
end

local Take = {}
Take.__index = Take

-- Skips what was read before: up to the header of the entry at the position.
function Take:find()
  local mark = self.position.t .. " "
  while self.missing > 0 do
    local from, to = string.find(self.buffer, mark, 1, true)
    if not from then
      -- The mark may lie across two pieces.
      self.buffer = string.sub(self.buffer, -#mark)
      return false
    end
    self.missing = self.missing - 1
    self.buffer = string.sub(self.buffer, self.missing > 0 and to + 1 or from)
  end
  return true
end

-- Content of the entry that the position is in: first what was read before, which is skipped.
function Take:content(text)
  local skip = math.min(#text, self.skip)
  self.skip = self.skip - skip
  text = string.sub(text, skip + 1, skip + self.budget - self.size)
  self.parts[#self.parts + 1] = text
  self.size = self.size + #text
  self.position.o = self.position.o + #text
end

function Take:begin(time)
  local position = self.position
  if self.resumes then
    self.resumes, self.skip = false, position.o
    return
  end
  self.skip = 0
  position.n = position.t == time and position.n + 1 or 1
  position.t, position.o = time, 0
end

-- One entry from `at` on; answers where the next begins, nil where this one is not whole yet.
function Take:entry(at, is_whole)
  local _, header, time = string.find(self.buffer, stamp, at)
  if not header then
    -- No entry: what the node says where it cannot read on. It is no output of the program.
    if not is_whole and #self.buffer - at < stamp_bytes_max then return nil end
    local line_end = string.find(self.buffer, "\n", at, true)
    if not line_end and not is_whole then return nil end
    self.is_cut = true
    return (line_end or #self.buffer) + 1
  end
  local last = entry_end(self.buffer, header + 1, is_whole)
  self.inside = not last and #self.buffer - header > 4 * entry_bytes
  if not last and not self.inside then return nil end
  if not self.after or time > self.after then
    self:begin(time)
    self:content(string.sub(self.buffer, header + 1, last or #self.buffer))
  else
    self.skip = math.huge
  end
  return (last or #self.buffer) + 1
end

-- The rest of an entry that is too long to be waited for.
function Take:rest()
  local line_end = string.find(self.buffer, "\n", 1, true)
  self.inside = not line_end
  self:content(string.sub(self.buffer, 1, line_end or #self.buffer))
  return (line_end or #self.buffer) + 1
end

function Take:feed(piece, is_whole)
  self.buffer = self.buffer .. piece
  if self.missing > 0 and not self:find() then return true end
  local at = self.inside and self:rest() or 1
  while at <= #self.buffer and self.size < self.budget do
    local next_entry = self:entry(at, is_whole)
    if not next_entry then break end
    at = next_entry
  end
  self.buffer = string.sub(self.buffer, at)
  return self.size < self.budget
end

-- Takes at most `budget` bytes after `position` (nil: from the beginning) from what `source` gives to its callback.
-- Answers the bytes, the new position, whether that is all there is now, and whether the node broke off.
function reader.take(source, position, budget)
  local before = position or { n = 0, o = 0 }
  local function try(after)
    local resumes = before.t ~= nil and not after
    local take = setmetatable({
      position = { t = before.t, n = before.n, o = before.o }, buffer = "", parts = {}, size = 0, budget = budget,
      skip = 0, resumes = resumes, missing = resumes and before.n or 0, after = after,
    }, Take)
    local ok, err, status = source(function(piece) return take:feed(piece, false) end)
    if not ok then return nil, err, status end
    if take.size < budget then take:feed("", true) end
    return take
  end
  local take, err, status = try()
  if not take then return nil, err, status end
  if take.missing > 0 then
    -- What was read last is not there any more: the log was rotated. What is later than it is new.
    take, err, status = try(before.t)
    if not take then return nil, err, status end
  end
  return table.concat(take.parts), take.position, take.size < budget, take.is_cut
end

return reader
