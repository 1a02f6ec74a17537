-- ends: time
-- A handler that runs for an error of the hook runs with hooks off.
xpcall(function() while true do end end, function() while true do end end)
