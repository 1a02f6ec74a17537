-- Output of custom jobs, from Cloud Logging. Entries come in the order of their own times, and some arrive late: the
-- newest are left for the next look, and each look begins a little before where the last one ended. A cursor holds that
-- beginning, and all entries from it on that were taken already.

local api = require "api"
local pacing = require "sagemaker/pacing"
local states = require "states"

local logs = {}

-- Entries of one request (1000 are allowed), and of one whose answer would be too large otherwise;
-- pages of one look, bytes of one answer to the host.
local entries, few, pages, bytes = 500, 20, 10, 131072
-- Seconds that an entry may be late, and entries that a cursor holds for that; beyond either a late one is not seen.
local late, held = 30, 300
-- Seconds for which a job is taken to go on without asking.
local fresh = 10
-- Runs that print nothing and share all requests there may be.
local sharers = 4

-- What was last heard of jobs, and when their output is to be looked at again. Lost with the agent, and asked anew.
local known, look = {}, {}

function logs.note(job)
  known[job.name] = {
    over = states.is_over(job.state), ended = host.time.parse(job.endTime or job.updateTime or "") or host.now(),
    begun = job.createTime, at = host.now(),
  }
end

function logs.forget(name)
  known[name], look[name] = nil, nil
end

-- Times (2026-01-02T03:04:05Z, with a fraction or without) as text of one length, so that they compare as they follow
-- each other.
local function moment(text)
  return string.sub(text, 1, 19) .. "." .. string.sub(string.sub(text, 21, -2) .. "000000000", 1, 9) .. "Z"
end

local function time_of(mark)
  return string.sub(mark, 1, 30)
end

local function text_of(entry)
  local payload = entry.jsonPayload
  local text = entry.textPayload or payload and (payload.message or host.json.encode(payload)) or ""
  if type(text) ~= "string" then text = host.json.encode(text) end
  local task = entry.resource and entry.resource.labels and entry.resource.labels.task_name
  local prefix = task and task ~= "workerpool0-0" and "[" .. task .. "] " or ""
  return prefix .. text .. (string.sub(text, -1) == "\n" and "" or "\n")
end

-- The newest entries that were taken, as `time id`, and the time from which on they are all.
local function remember(taken, floor)
  table.sort(taken)
  local newest = taken[#taken]
  if not newest then return taken, floor end
  local from = moment(host.time.format(host.time.parse(time_of(newest)) - late))
  if from < floor then from = floor end
  if #taken > held then
    -- What is left out must lie before the beginning: entries of one time stay together.
    local last_out = time_of(taken[#taken - held])
    for i = #taken - held + 1, #taken do
      local time = time_of(taken[i])
      if time > last_out then
        from = time > from and time or from
        break
      end
    end
  end
  local kept = {}
  for _, mark in ipairs(taken) do
    if mark >= from then table.insert(kept, mark) end
  end
  return kept, from
end

-- Reads what lies between the cursor's beginning and `before`, where that is given. Gives the text, the next cursor and
-- whether that is all.
local function read(ctx, name, cursor, before)
  local taken, seen = {}, {}
  for _, mark in ipairs(cursor.taken) do
    taken[#taken + 1], seen[mark] = mark, true
  end
  local project, number = string.match(name, "^projects/([^/]+)/.*/([^/]+)$")
  local filter = string.format(
    'resource.type="ml_job" AND resource.labels.job_id="%s" AND timestamp>="%s"', number, cursor.from)
  if before then filter = filter .. ' AND timestamp<"' .. before .. '"' end
  local out, size, token, count, is_cut = {}, 0, nil, entries, false
  for _ = 1, pages do
    -- Cloud Logging takes 60 reads a minute of a whole project.
    local answer, err = pacing.take_turn(ctx.config.log_requests)
    if not answer then return nil, err end
    answer, err = api.logs(ctx, {
      resourceNames = { "projects/" .. project }, filter = filter, orderBy = "timestamp asc", pageSize = count,
      pageToken = token,
    })
    if not answer and (err.code ~= "target_error" or count == few) then return nil, err end
    -- Entries of 256 KiB each are too much for one answer.
    if not answer then count = few end
    for _, entry in ipairs(answer and answer.entries or {}) do
      local mark = moment(entry.timestamp) .. " " .. entry.insertId
      if not seen[mark] then
        is_cut = size >= bytes
        if is_cut then break end
        seen[mark] = true
        taken[#taken + 1], out[#out + 1] = mark, text_of(entry)
        size = size + #out[#out]
      end
    end
    if answer then token = answer.nextPageToken end
    if is_cut or answer and (not token or token == "") then break end
  end
  local next_taken, next_from = remember(taken, cursor.from)
  return table.concat(out), { from = next_from, taken = next_taken }, not is_cut and (not token or token == "")
end

function logs.read(ctx, handle, cursor, get)
  local name = handle.name
  local job = known[name]
  if cursor and not (job and job.over) and (host.now() < (look[name] or 0) or pacing.is_busy()) then
    return { bytes = "", cursor = cursor }
  end
  if not job or not job.over and host.now() - job.at > fresh then
    local found, err = get(ctx, name)
    if found == nil then return nil, err end
    job = found and known[name]
    if not job then return { bytes = "", cursor = cursor or {}, done = true } end
  end
  cursor = cursor or { from = moment(job.begun), taken = {} }
  local settle = host.seconds(ctx.config.log_settle)
  if job.over then
    -- The last lines arrive a little after the end. Nobody asks again once they were given as all there is.
    local left = job.ended + settle - host.now()
    -- No longer than that, if the agent's clock is behind.
    if left > 0 then host.sleep(math.min(left, settle)) end
  end
  local before = not job.over and moment(host.time.format(host.now() - settle)) or nil
  local text, next_cursor, is_all = read(ctx, name, cursor, before)
  if not text then return nil, next_cursor end
  if text == "" then look[name] = host.now() + sharers * 60 / ctx.config.log_requests end
  return { bytes = text, cursor = next_cursor, done = job.over and is_all }
end

return logs
