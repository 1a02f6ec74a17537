-- ends: runtime
return ('x'):rep(math.maxinteger, 'yy')
