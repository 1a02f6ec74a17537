-- ends: time
-- luacheck: ignore
local function fill() local t = {} while true do t[#t + 1] = {} end end
while true do pcall(fill) end
