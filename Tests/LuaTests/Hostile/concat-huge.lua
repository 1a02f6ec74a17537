-- ends: memory|time
local t = {}
for i = 1, 100 do t[i] = ('x'):rep(100000) end
local s = table.concat(t)
local u = {}
for i = 1, 100 do u[i] = s end
return table.concat(u)
