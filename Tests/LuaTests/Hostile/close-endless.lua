-- ends: time
-- Each variable's function makes another variable.
local make
function make()
  return setmetatable({}, { __close = function()
    local x <close> = make()
    if x then error(x) end
  end })
end
while true do
  pcall(function()
    local x <close> = make()
    if x then error(x) end
  end)
end
