// Shared by the C files of this target. Functions declared here may raise (longjmp): never call them from Swift.
#pragma once
#include <lauxlib.h>
#include <lua.h>

#include "clua.h"

// Instructions between two looks at the clock while the heap is small.
enum { CLUA_INTERVAL = 1000 };
// One instruction may touch all of the heap (comparing two long strings, say), so the hook comes more often as the
// heap grows beyond this many bytes.
enum { CLUA_SMALL_HEAP = 1 << 20 };
// Bytes allocated between two looks at the clock: `s .. s` on long strings is one instruction each.
enum { CLUA_VOLUME = 256 << 10 };
// Steps of a library function between two looks at the clock: some 20 to 100 microseconds.
enum { CLUA_STEPS = 8192 };
// What a cancelled call gets to close its variables, in nanoseconds.
#define CLUA_GRACE 100000000ull

static inline clua_host *host_of(lua_State *L) { return *(clua_host **)lua_getextraspace(L); }

// allocator.c
void *host_allocate(void *context, void *block, size_t old_size, size_t new_size);

// budget.c
void host_hook(lua_State *L, lua_Debug *event);
int host_interval(const clua_host *h);
void host_arm(clua_host *h, lua_State *L);    // counts instructions of L
void host_expire(clua_host *h, lua_State *L, int reason);  // from now on each instruction of L raises
void host_tick(clua_host *h);                 // reads the clock; sets `reason`, raises nothing
int host_raise_expired(lua_State *L);         // raises the error of `reason`
void host_check(lua_State *L);                // reads the clock; raises if the budget is spent or the call cancelled

static inline void host_charge(lua_State *L, clua_host *h, unsigned steps) {
  h->steps += steps;
  if (h->steps >= CLUA_STEPS) host_check(L);
}

// traceback.c
int host_message_handler(lua_State *L);
void host_note_place(lua_State *L, const char *message, int level);
void host_syntax_position(clua_host *h, const char *name, const char *message);

// coroutines.c
int coroutine_entry(lua_State *L);
void open_coroutine(lua_State *L);  // pushes the library

// trampoline.c
int host_resumed(lua_State *L, int status, lua_KContext context);
void open_trampoline(lua_State *L);

// The libraries: each fills the table on top of the stack.
void open_base(lua_State *L, int sandbox);
void open_pairs(lua_State *L);
void open_strings(lua_State *L);
void open_tables(lua_State *L);

// sandbox.c
void push_charged(lua_State *L);
void open_sandbox(lua_State *L, int sandbox);
