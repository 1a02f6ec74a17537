-- What containers use. The engine gives sums from a container's start: a rate takes two looks, and the last one is kept
-- here. dockerd would give two at once and wait a second between them; Podman gives zeros for the first.

local engine = require "engine"

local usage = {}

-- The last look at each container: { time, cpu }.
local last = {}

local function row(id, stats)
  local cpu_stats, memory = stats.cpu_stats or {}, stats.memory_stats or {}
  local total = (cpu_stats.cpu_usage or {}).total_usage
  local used = memory.usage
  -- What has ended has no numbers.
  if not total or not used or total == 0 then return false end
  local now = host.time.parse(stats.read) or host.now()
  local before, cores = last[id], nil
  if before and now > before.time and total >= before.cpu then
    cores = (total - before.cpu) / 1e9 / (now - before.time)
  end
  last[id] = { time = now, cpu = total }
  -- Files that the kernel keeps in memory while nobody needs it are no use of the program's; cgroup v1 and v2.
  local kept = memory.stats or {}
  local cached = kept.total_inactive_file or kept.inactive_file or 0
  return { cpu = cores, memory = math.max(0, used - cached) }
end

function usage.of(ctx, handles)
  local rows = {}
  for i, handle in ipairs(handles) do
    local answer, failure = engine.ask(ctx, {
      path = "/containers/" .. handle.id .. "/stats", query = { stream = "false", ["one-shot"] = "true" },
    })
    if not answer then return nil, failure end
    local stats = answer.status == 200 and host.json.decode(answer.body)
    rows[i] = stats and row(handle.id, stats) or false
  end
  return rows
end

function usage.forget(id)
  last[id] = nil
end

return usage
