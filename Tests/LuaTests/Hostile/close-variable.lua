-- ends: time
-- luacheck: ignore
do
  local x <close> = setmetatable({}, { __close = function() while true do end end })
  if x then end
end
