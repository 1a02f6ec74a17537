-- How often a cloud's services are asked: not before the time that one names when it was asked too often, and so many
-- times a minute in all. Used by other clouds, too.

local pacing = {}

-- Seconds: the first wait after a service said that it is asked too often, the longest, and what a patient call waits
-- for its turn.
local first, longest, turn = 1, 60, 60

-- By service: it is not asked before `from`; so many answers in a row were "too often".
local patience = {}
-- The next turn of all.
local slot = 0

-- Takes the word of a service that it is asked too often. Gives the seconds that it wants to be left alone.
function pacing.refused(service, answer)
  local state = patience[service] or { times = 0 }
  patience[service] = state
  state.times = state.times + 1
  local seconds = tonumber(answer.headers["retry-after"]) or math.min(longest, first * 2 ^ (state.times - 1))
  state.from = host.now() + seconds
  return seconds
end

-- It answered.
function pacing.answered(service)
  patience[service] = nil
end

-- True, or nil and a failure where the service is to be left alone; `what` is what it would be asked.
function pacing.may_ask(service, what)
  local left = patience[service] and patience[service].from - host.now() or 0
  if left <= 0 then return true end
  return nil, fail { code = "unavailable", message = what .. ": the service was asked too often", retry = left }
end

-- Whether a call would have to wait for its turn.
function pacing.is_busy()
  return host.now() < slot
end

-- Waits for a turn, of which there are so many a minute; nil and a failure where too many wait already.
function pacing.take_turn(per_minute)
  local now = host.now()
  local at = math.max(now, slot)
  if at - now > turn then
    return nil, fail { code = "unavailable", message = "too many runs wait for their output", retry = 5 }
  end
  slot = at + 60 / per_minute
  if at > now then host.sleep(at - now) end
  return true
end

return pacing
