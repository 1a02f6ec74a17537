-- ends: time
local t = {}
for i = 1, 50000 do t['k' .. i] = i end
while true do for _ in pairs(t) do end end
