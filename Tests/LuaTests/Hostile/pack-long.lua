-- ends: time
local format = ('x'):rep(1000000)
while true do string.packsize(format) end
