-- ends: time|memory
-- A heap near its limit: each refused allocation costs a full collection.
local hold = {}
pcall(function() while true do hold[#hold + 1] = ('x'):rep(1000) .. #hold end end)
local rep = string.rep
while true do pcall(rep, 'y', 10000000) end
