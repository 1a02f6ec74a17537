-- ends: time
return table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1e15 // 1 | 0)
