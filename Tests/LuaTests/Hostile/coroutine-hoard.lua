-- ends: memory|time
-- luacheck: ignore
local hoard = {}
while true do
  local co = coroutine.create(function() coroutine.yield() end)
  coroutine.resume(co)
  hoard[#hoard + 1] = co
end
