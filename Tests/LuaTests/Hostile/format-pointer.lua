-- ends: runtime
return string.format('%p', {})
