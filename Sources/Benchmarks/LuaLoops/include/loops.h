// The same loops as in benchmark-lua, in plain C on plain Lua: what Swift is measured against.
#pragma once

typedef struct loops loops;

// `guarded`: with the count hook and the message handler that the Lua library always has.
loops *loops_open(const char *source, int guarded);
void loops_close(loops *l);
// Calls the global `add` with the numbers 1 to n; answers nanoseconds for each.
double loops_call(loops *l, long n);
// Lets the global `callback` call a C function n times; answers nanoseconds for each.
double loops_callback(loops *l, long n);
