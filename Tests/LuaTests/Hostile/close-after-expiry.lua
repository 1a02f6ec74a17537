-- ends: time
-- The budget ends inside the block; the variable's function must not get a second life.
local x <close> = setmetatable({}, { __close = function() while true do end end })
if x then while true do end end
