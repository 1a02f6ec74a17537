-- ends: time|memory
return table.move({}, 1, 1e15 // 1 | 0, 1, {})
