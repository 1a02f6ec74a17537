// Time and instructions. A hook counts instructions in every coroutine from birth; it compares the clock, because
// instructions are not time and because short coroutines never reach their own count.
#define _POSIX_C_SOURCE 200809L
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "host.h"

struct clua_flag {
  atomic_int raised;
};

clua_flag *clua_flag_new(void) { return calloc(1, sizeof(clua_flag)); }
void clua_flag_raise(clua_flag *flag) { atomic_store(&flag->raised, 1); }
int clua_flag_raised(const clua_flag *flag) { return atomic_load(&((clua_flag *)flag)->raised); }
void clua_flag_free(clua_flag *flag) { free(flag); }

uint64_t clua_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

int host_interval(const clua_host *h) {
  if (h->used <= CLUA_SMALL_HEAP) return CLUA_INTERVAL;
  size_t count = (size_t)CLUA_INTERVAL * (CLUA_SMALL_HEAP / 1024) / (h->used / 1024);
  return count < 10 ? 10 : (int)count;
}

void host_arm(clua_host *h, lua_State *L) {
  lua_sethook(L, host_hook, LUA_MASKCOUNT, h->interval);
}

void host_expire(clua_host *h, lua_State *L, int reason) {
  h->reason = reason;
  if (L == h->main) h->disarmed = 1;
  // Every event raises: nothing that catches the error gets to run a second instruction.
  lua_sethook(L, host_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void host_tick(clua_host *h) {
  if (h->reason != CLUA_REASON_NONE || h->depth == 0) return;
  uint64_t now = clua_now();
  if (h->deadline == 0) h->deadline = now + h->nanoseconds;
  if (now > h->deadline) {
    host_expire(h, h->current, CLUA_REASON_TIME);
    return;
  }
  int interval = host_interval(h);
  if (interval < h->interval / 2 || interval > h->interval) {
    h->interval = interval;
    host_arm(h, h->current);
  }
}

int host_raise_expired(lua_State *L) {
  clua_host *h = host_of(L);
  if (!h->noted) {
    h->noted = 1;
    host_note_place(L, NULL, 0);
  }
  h->raising = 1;
  if (h->reason == CLUA_REASON_INSTRUCTIONS) lua_pushliteral(L, "instruction limit exceeded");
  else lua_pushliteral(L, "time limit exceeded");
  return lua_error(L);
}

// A cancelled call is told once, as an ordinary error, so that its <close> variables run; then it has little time.
static void raise_cancelled(lua_State *L, clua_host *h) {
  h->cancelled = 1;
  uint64_t end = clua_now() + CLUA_GRACE;
  if (h->deadline == 0 || h->deadline > end) h->deadline = end;
  h->raising = 1;
  lua_pushliteral(L, "cancelled");
  lua_error(L);
}

void host_check(lua_State *L) {
  clua_host *h = host_of(L);
  h->steps = 0;
  host_tick(h);
  if (h->reason != CLUA_REASON_NONE) host_raise_expired(L);
  if (h->cancel != NULL && !h->cancelled && clua_flag_raised(h->cancel)) raise_cancelled(L, h);
}

void host_hook(lua_State *L, lua_Debug *event) {
  (void)event;
  clua_host *h = host_of(L);
  if (h->reason == CLUA_REASON_NONE) {
    h->left -= lua_gethookcount(L);
    if (h->left < 0) h->reason = CLUA_REASON_INSTRUCTIONS;
    else host_tick(h);
  }
  if (h->reason != CLUA_REASON_NONE) {
    host_expire(h, L, h->reason);
    host_raise_expired(L);
  }
  // A coroutine kept since an earlier call may be armed otherwise.
  if (lua_gethookcount(L) != h->interval || lua_gethookmask(L) != LUA_MASKCOUNT) host_arm(h, L);
  if (h->cancel != NULL && !h->cancelled && clua_flag_raised(h->cancel)) raise_cancelled(L, h);
}

// MARK: calls from the host

static void enter(clua_host *h) {
  if (h->depth++ > 0) return;
  h->reason = CLUA_REASON_NONE;
  h->raising = 0;
  h->noted = h->carried = 0;
  h->blocked = 0;
  h->closing = 0;
  h->deadline = 0;  // read with the first hook: a call of a few instructions never reads the clock
  h->left = h->instructions;
}

int clua_begin(clua_host *h, int reference, int extra) {
  lua_State *L = h->current;
  if (extra > 8 && !lua_checkstack(L, extra + 4)) return 0;
  lua_pushcfunction(L, host_message_handler);
  lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
  return 1;
}

int clua_begin_top(clua_host *h, int extra) {
  lua_State *L = h->current;
  if (!lua_checkstack(L, extra + 4)) return 0;
  lua_pushcfunction(L, host_message_handler);
  lua_insert(L, -2);
  return 1;
}

int clua_call(clua_host *h, int arguments, int results) {
  lua_State *L = h->current;
  int enforce = h->enforce;
  enter(h);
  if (h->disarmed && h->depth == 1) {
    h->disarmed = 0;
    host_arm(h, L);
  }
  h->enforce = 1;
  int status = lua_pcall(L, arguments, results, -(arguments + 2));
  h->enforce = enforce;
  h->depth--;
  if (status != LUA_OK) h->raising = 0;
  return status;
}

int clua_load(clua_host *h, const char *source, size_t length, const char *name) {
  lua_State *L = h->current;
  int enforce = h->enforce;
  h->enforce = 1;
  int status = luaL_loadbufferx(L, source, length, name, "t");
  h->enforce = enforce;
  if (status == LUA_ERRSYNTAX) host_syntax_position(h, name, lua_tostring(L, -1));
  return status;
}

int clua_thread_begin(clua_host *h, lua_State *thread, int reference, int extra) {
  (void)h;
  if (!lua_checkstack(thread, extra + 4)) return 0;
  lua_pushcfunction(thread, coroutine_entry);
  lua_rawgeti(thread, LUA_REGISTRYINDEX, reference);
  return 1;
}

int clua_resume(clua_host *h, lua_State *thread, int arguments, int *results) {
  lua_State *before = h->current, *call = h->call;
  int enforce = h->enforce;
  enter(h);
  h->call = thread;
  h->deadline = clua_now() + h->nanoseconds;
  h->awaiting = 0;
  h->current = thread;
  host_arm(h, thread);
  h->enforce = 1;
  int status = lua_resume(thread, before, arguments, results);
  h->enforce = enforce;
  h->call = call;
  h->current = before;
  h->depth--;
  h->raising = 0;
  return status;
}

int clua_thread_reset(clua_host *h, lua_State *thread) {
  lua_State *before = h->current;
  int enforce = h->enforce;
  enter(h);
  h->current = thread;
  host_arm(h, thread);
  h->enforce = 1;
  int status = lua_resetthread(thread);
  h->enforce = enforce;
  h->current = before;
  h->depth--;
  h->raising = 0;
  return status;
}
