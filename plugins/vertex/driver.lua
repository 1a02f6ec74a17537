-- Custom jobs of Google Vertex AI. Creating one is not idempotent there: a job of this token is looked for by its label
-- before one is made, and again where an answer did not arrive.

local api = require "api"
local document = require "document"
local logs = require "logs"
local states = require "states"

local driver = {}

-- Handles that are asked for one by one; for more, a list is cheaper.
local few = 4
-- Jobs that are asked for by name in one poll, rows of one page, and pages of one list.
local asked, page, pages = 20, 100, 20
-- Seconds after a create without an answer in which a list may not show yet what it made.
local doubt = 10

-- Seconds for which an ending job is waited for before it is deleted, and between looks at a start that goes on.
local clearing, look_again = 20, 0.05

-- By token: since when a create has no answer, and whether a start is at work.
local doubtful, starting = {}, {}

function driver.probe(ctx)
  local parent, err = api.parent(ctx)
  if not parent then
    return { health = "undetected", detail = err.message .. (err.hint and "; " .. err.hint or "") }
  end
  local _
  _, err = api.vertex(ctx, "GET", parent .. "/customJobs", { query = { pageSize = "1" } }, "listing jobs")
  if err then return { health = "unhealthy", detail = err.message .. (err.hint and "; " .. err.hint or "") } end
  return { health = "healthy", detail = "Vertex AI, " .. parent, attributes = { location = ctx.config.location } }
end

function driver.plan(_, run)
  return document.plan(run)
end

-- All jobs of this agent that the filter lets through. Those that were forgotten are gone, so that it stays short.
local function list(ctx, filter)
  local parent, err = api.parent(ctx)
  if not parent then return nil, err end
  local found, token = {}, nil
  for _ = 1, pages do
    local query = { filter = filter, pageSize = tostring(page), pageToken = token }
    local answer
    answer, err = api.vertex(ctx, "GET", parent .. "/customJobs", { query = query }, "listing jobs")
    if not answer then return nil, err end
    for _, job in ipairs(answer.customJobs or {}) do table.insert(found, job) end
    token = answer.nextPageToken
    if not token or token == "" then break end
  end
  return found
end

local function owned(ctx)
  return 'labels.lunaport_owner="' .. document.label(ctx.owner) .. '"'
end

-- Jobs of this token, the oldest first.
local function with_token(ctx, token)
  local listed, err = list(
    ctx, 'labels.lunaport_token="' .. document.labels(token).lunaport_token .. '" AND ' .. owned(ctx))
  if not listed then return nil, err end
  local found = {}
  for _, job in ipairs(listed) do
    if document.token(job.labels) == token then table.insert(found, job) end
  end
  table.sort(found, function(a, b)
    return a.createTime .. a.name < b.createTime .. b.name
  end)
  return found
end

function driver.find(ctx, token)
  local found, err = with_token(ctx, token)
  if not found then return nil, err end
  if found[1] then
    doubtful[token] = nil
    return { name = found[1].name }
  end
  local since = doubtful[token] and host.now() - doubtful[token]
  if since and since < doubt then
    return nil, fail {
      code = "unavailable", message = "Vertex AI does not say yet whether the job was created", retry = doubt - since,
    }
  end
  doubtful[token] = nil
  return nil
end

local function cancel(ctx, name)
  local _, err = api.vertex(ctx, "POST", name .. ":cancel", { json = {} }, "cancelling the job")
  if not err or err.code == "not_found" or err.code == "conflict" then return true end
  return nil, err
end

-- Deleting is an operation that ends later; what it leaves, if it fails, `list` shows again.
local function delete(ctx, name)
  local _, err = api.vertex(ctx, "DELETE", name, {}, "deleting the job")
  if err and err.code ~= "not_found" then return nil, err end
  return true
end

-- Deletes a job that was just stopped, when it has ended.
local function clear(ctx, name)
  local ok, err
  for _ = 1, clearing do
    ok, err = delete(ctx, name)
    if ok or err.code ~= "conflict" then return ok, err end
    host.sleep(1)
  end
  return nil, fail { code = "unavailable", message = "the job has not ended yet: " .. err.message, retry = 30 }
end

-- A start that was cut off may have made a job after it was looked for. The oldest stays; what cannot be cleared away
-- soon has this token still and is swept when the run is forgotten.
local function keep_oldest(ctx, token, mine)
  local found = with_token(ctx, token)
  if not found or not found[1] then return { name = mine } end
  for i = 2, #found do cancel(ctx, found[i].name) end
  for i = 2, #found do clear(ctx, found[i].name) end
  return { name = found[1].name }
end

local function start(ctx, spec, token)
  local handle, err = driver.find(ctx, token)
  if handle or err then return handle, err end
  local parent
  parent, err = api.parent(ctx)
  if not parent then return nil, err end
  spec.labels.lunaport_owner = document.label(ctx.owner)
  for name, value in pairs(document.labels(token)) do spec.labels[name] = value end
  local job
  -- Before it is asked for: the call may be cut off while it waits.
  doubtful[token] = host.now()
  job, err = api.vertex(ctx, "POST", parent .. "/customJobs", { json = spec, effect = true }, "creating the job")
  if job or err.retry ~= "unknown_effect" then doubtful[token] = nil end
  if not job then return nil, err end
  return keep_oldest(ctx, token, job.name)
end

-- One start of a token at a time. A call that is cut off lets go of its own.
function driver.start(ctx, spec, token)
  while starting[token] do host.sleep(look_again) end
  starting[token] = true
  local _ <close> = setmetatable({}, { __close = function() starting[token] = nil end })
  return start(ctx, spec, token)
end

-- The job: its document; false where there is none; nil and a failure.
local function get(ctx, name)
  local job, err = api.vertex(ctx, "GET", name, {}, "asking for a job")
  if job then
    logs.note(job)
    return job
  end
  if err.code == "not_found" then return false end
  return nil, err
end

-- A bounded number of requests, however many handles: what the list does not show is asked for, so many at a time.
function driver.poll(ctx, handles)
  local rows, listed, budget = {}, {}, #handles
  if #handles > few then
    budget = asked
    local found, err = list(ctx, owned(ctx))
    if not found then return nil, err end
    for _, job in ipairs(found) do listed[job.name] = job end
  end
  for i, handle in ipairs(handles) do
    local job = listed[handle.name]
    if job then
      logs.note(job)
      rows[i] = states.row(job)
    elseif budget > 0 then
      budget = budget - 1
      local found, err = get(ctx, handle.name)
      if found == nil then return nil, err end
      rows[i] = found and states.row(found) or { state = "lost", message = "Vertex AI has no such job any more" }
    else
      rows[i] = { state = "unknown", message = "it is asked for with the next poll" }
    end
  end
  return rows
end

-- Vertex AI sends SIGTERM and kills soon after; there is no other grace.
function driver.stop(ctx, handle)
  return cancel(ctx, handle.name)
end

function driver.forget(ctx, handle)
  local ok, err = clear(ctx, handle.name)
  if ok then logs.forget(handle.name) end
  return ok, err
end

function driver.list(ctx)
  local found, err = list(ctx, owned(ctx))
  if not found then return nil, err end
  local result = {}
  for i, job in ipairs(found) do
    result[i] = { token = document.token(job.labels), handle = { name = job.name } }
  end
  return result
end

function driver.logs(ctx, handle, cursor)
  return logs.read(ctx, handle, cursor, get)
end

return driver
