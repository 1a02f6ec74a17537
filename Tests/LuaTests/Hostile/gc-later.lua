-- ends: time
-- Set after setmetatable, Lua never calls it.
local mt = {}
setmetatable({}, mt)
mt.__gc = function() while true do end end
for _ = 1, 1e5 do local _ = {} end
while true do end
