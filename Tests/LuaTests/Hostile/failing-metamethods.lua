-- ends: time
-- Every access is a call, and each call fails.
local o = setmetatable({}, { __index = function(_, k) error(k) end, __newindex = function() error() end })
while true do
  pcall(function() return o.x end)
  pcall(function() o.x = 1 end)
end
