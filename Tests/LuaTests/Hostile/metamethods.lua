-- ends: time
local function spin() while true do end end
local o = setmetatable({}, { __tostring = spin, __eq = spin, __len = spin, __concat = spin, __call = spin })
if tostring(o) then return o() end
