-- ends: time
local s = ('a'):rep(1000000)
while true do s:find('ab', 1, true) end
