-- ends: time
while true do string.format('%99d %99.99f', 1, 1e308) end
