-- ends: runtime
return ('x'):rep(1 << 30)
