-- ends: time
for _ = 0, 1, 1e-300 do end
