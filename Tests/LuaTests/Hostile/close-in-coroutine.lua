-- ends: time
-- Lua leaves hooks off in a coroutine that died inside one: its variables would be closed without any.
local co = coroutine.wrap(function()
  local x <close> = setmetatable({}, { __close = function() while true do end end })
  if x then while true do end end
end)
while true do pcall(co) end
