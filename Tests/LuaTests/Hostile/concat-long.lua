-- ends: time
-- One instruction, megabytes of work.
local s = ('x'):rep(3000000)
while true do local _ = s .. 'y' end
