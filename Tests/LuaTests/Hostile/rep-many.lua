-- ends: time
local f = string.rep
while true do f('x', 1000000) end
