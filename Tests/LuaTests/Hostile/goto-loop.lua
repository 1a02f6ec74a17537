-- ends: time
::top::
goto top
