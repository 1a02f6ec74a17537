-- Documents for services that tell an empty list from an empty object. Used by other clouds, too.

local tables = {}

-- A copy without empty tables, which as JSON are a list or an object by chance.
function tables.without_empty(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do
    local inner = tables.without_empty(item)
    if type(inner) ~= "table" or next(inner) ~= nil or type(key) == "number" then result[key] = inner end
  end
  return result
end

return tables
