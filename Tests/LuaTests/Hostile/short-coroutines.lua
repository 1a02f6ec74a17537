-- ends: time
-- No coroutine lives long enough to reach its own count.
while true do
  local co = coroutine.create(function() for _ = 1, 100 do end end)
  coroutine.resume(co)
end
