-- ends: time
local digits = ('1'):rep(2000000)
while true do tonumber(digits) end
