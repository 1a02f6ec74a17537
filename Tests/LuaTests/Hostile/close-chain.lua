-- ends: runtime|memory|time
-- Each close closes the next: C stack that Lua 5.4.4 does not count.
local chain = {}
local function make(i)
  local co = coroutine.create(function()
    local x <close> = setmetatable({}, { __close = function()
      local ok, message = coroutine.close(chain[i + 1])
      if not ok then error(message, 0) end
    end })
    coroutine.yield(x)
  end)
  coroutine.resume(co)
  return co
end
for i = 1, 5000 do chain[i] = make(i) end
local ok, message = coroutine.close(chain[1])
error(tostring(ok) .. message)
