-- ends: time
return ('a'):rep(3000):match('[ab]-[ab]-[ab]-[^a]')
