-- ends: time
local a, b = ('x'):rep(3000000) .. 'a', ('x'):rep(3000000) .. 'b'
local _
while true do _ = a == b _ = a < b end
