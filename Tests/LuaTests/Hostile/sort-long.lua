-- ends: time
local t = {}
for i = 1, 4 do t[i] = ('x'):rep(1000000) .. i end
while true do table.sort(t) end
