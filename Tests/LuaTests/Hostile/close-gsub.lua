-- ends: runtime|memory|time
-- Each close nests calls of gsub as deep as C may, and closes the next coroutine there.
local function deep(n, f)
  if n == 0 then return f() end
  return (("x"):gsub("x", function() deep(n - 1, f) end))
end
local function close()
  local co = coroutine.create(function()
    local x <close> = setmetatable({}, { __close = function() deep(150, close) end })
    coroutine.yield(x)
  end)
  coroutine.resume(co)
  local ok, message = coroutine.close(co)
  if not ok then error(message, 0) end
end
deep(150, close)
