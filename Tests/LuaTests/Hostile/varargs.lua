-- ends: time|memory
local function f(...) return ... end
local t = {}
for i = 1, 200000 do t[i] = i end
while true do f(f(table.unpack(t))) end
