-- ends: runtime
getmetatable('').__index = { rep = 1 }
