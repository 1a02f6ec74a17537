// The library `coroutine`, made again for three reasons: a host function that waits inside a plugin's own coroutine
// suspends the whole call; what ends a call is not caught by resume; and coroutine.close of Lua 5.4.4 forgets how
// deep the C stack is.
#include "host.h"

// coroutine.close runs __close functions, which may close further coroutines; each level uses C stack that Lua
// 5.4.4 does not count.
enum { CLOSE_DEPTH = 16 };

// MARK: the function at the bottom of every coroutine

static int entry_finished(lua_State *L, int status, lua_KContext context) {
  (void)context;
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  return lua_gettop(L) - 1;
}

// Catches the error inside the coroutine, with the handler that notes its place: only there are <close> variables
// closed with hooks on.
int coroutine_entry(lua_State *L) {
  lua_pushcfunction(L, host_message_handler);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, entry_finished);
  return entry_finished(L, status, 0);
}

// MARK: states

static lua_State *checked_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  return co;
}

static int coroutine_yield(lua_State *L) {
  if (L == host_of(L)->call) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

enum { STATE_RUNNING, STATE_DEAD, STATE_SUSPENDED, STATE_NORMAL };
static const char *const state_names[] = {"running", "dead", "suspended", "normal"};

// Waits for the host: suspended, but by no yield of its own, so that nobody but the host may resume it.
static int waits(lua_State *co) {
  lua_Debug ar;
  if (!lua_checkstack(co, 1) || !lua_getstack(co, 0, &ar)) return 0;
  lua_getinfo(co, "f", &ar);
  int own = lua_tocfunction(co, -1) == coroutine_yield;
  lua_pop(co, 1);
  return !own;
}

static int state_of(lua_State *L, lua_State *co) {
  if (L == co) return STATE_RUNNING;
  lua_Debug ar;
  switch (lua_status(co)) {
    case LUA_YIELD: return waits(co) ? STATE_NORMAL : STATE_SUSPENDED;
    case LUA_OK:
      if (lua_getstack(co, 0, &ar)) return STATE_NORMAL;
      return lua_gettop(co) == 0 ? STATE_DEAD : STATE_SUSPENDED;
    default: return STATE_DEAD;
  }
}

// MARK: resume, wrap

enum { BY_RESUME = 1, BY_WRAP = 0 };  // also: stack slots below the arguments

static int answer_error(lua_State *L, int kind) {
  if (kind == BY_WRAP) return lua_error(L);
  host_of(L)->carried = 0;
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int resumed(lua_State *L, int status, lua_KContext kind);

// Runs `co` with the values that were moved to its stack.
static int run(lua_State *L, lua_State *co, int arguments, int kind) {
  clua_host *h = host_of(L);
  int boundary = !lua_isyieldable(L);
  h->blocked += boundary;
  h->current = co;
  if (lua_gethookcount(co) != h->interval || lua_gethookmask(co) != LUA_MASKCOUNT) host_arm(h, co);
  if (lua_status(co) == LUA_OK) arguments++;  // the first time: coroutine_entry takes the function too
  int count;
  int status = lua_resume(co, L, arguments, &count);
  h->current = L;
  h->blocked -= boundary;
  if (h->reason != CLUA_REASON_NONE) {
    host_expire(h, L, h->reason);
    return host_raise_expired(L);
  }
  if (status == LUA_YIELD && h->awaiting) return lua_yieldk(L, 0, kind, resumed);
  if (status != LUA_OK && status != LUA_YIELD) {
    h->raising = 0;
    h->carried = 1;
    lua_xmove(co, L, 1);
    return answer_error(L, kind);
  }
  if (!lua_checkstack(L, count + 1)) {
    lua_pop(co, count);
    lua_pushliteral(L, "too many results to resume");
    return answer_error(L, kind);
  }
  if (kind == BY_RESUME) lua_pushboolean(L, 1);
  lua_xmove(co, L, count);
  return count + kind;
}

static int start(lua_State *L, lua_State *co, int kind) {
  int state = state_of(L, co);
  int arguments = lua_gettop(L) - kind;
  if (state != STATE_SUSPENDED) {
    lua_pushfstring(L, "cannot resume %s coroutine", state == STATE_DEAD ? "dead" : "non-suspended");
    return answer_error(L, kind);
  }
  if (!lua_checkstack(co, arguments + 1)) {
    lua_pushliteral(L, "too many arguments to resume");
    return answer_error(L, kind);
  }
  lua_xmove(L, co, arguments);
  return run(L, co, arguments, kind);
}

// The host has answered a wait somewhere inside; its values go down to the coroutine that waits.
static int resumed(lua_State *L, int status, lua_KContext kind) {
  (void)status;
  lua_State *co = lua_tothread(L, kind == BY_RESUME ? 1 : lua_upvalueindex(1));
  int arguments = lua_gettop(L) - (int)kind;
  if (!lua_checkstack(co, arguments + 1)) return luaL_error(L, "stack overflow");
  lua_xmove(L, co, arguments);
  return run(L, co, arguments, (int)kind);
}

static int coroutine_resume(lua_State *L) { return start(L, checked_coroutine(L), BY_RESUME); }
static int wrapped(lua_State *L) { return start(L, lua_tothread(L, lua_upvalueindex(1)), BY_WRAP); }

static int coroutine_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  host_arm(host_of(L), co);
  lua_pushcfunction(co, coroutine_entry);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int coroutine_wrap(lua_State *L) {
  coroutine_create(L);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

// MARK: the rest

static int coroutine_status(lua_State *L) {
  lua_pushstring(L, state_names[state_of(L, checked_coroutine(L))]);
  return 1;
}

static int coroutine_isyieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  lua_pushboolean(L, co != host_of(L)->call && lua_isyieldable(co));
  return 1;
}

static int coroutine_running(lua_State *L) {
  int main = lua_pushthread(L);
  lua_pushboolean(L, main || L == host_of(L)->call);
  return 2;
}

static int coroutine_close(lua_State *L) {
  lua_State *co = checked_coroutine(L);
  clua_host *h = host_of(L);
  int state = state_of(L, co);
  if (state != STATE_DEAD && state != STATE_SUSPENDED) {
    return luaL_error(L, "cannot close a %s coroutine", state_names[state]);
  }
  if (h->closing >= CLOSE_DEPTH) return luaL_error(L, "coroutine.close is nested too deep");
  h->closing++;
  h->blocked++;
  h->current = co;
  host_arm(h, co);
  int status = lua_resetthread(co);
  h->current = L;
  h->blocked--;
  h->closing--;
  h->raising = 0;
  if (h->reason != CLUA_REASON_NONE) {
    host_expire(h, L, h->reason);
    return host_raise_expired(L);
  }
  if (status == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

void open_coroutine(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"create", coroutine_create},   {"resume", coroutine_resume}, {"wrap", coroutine_wrap},
    {"yield", coroutine_yield},     {"status", coroutine_status}, {"isyieldable", coroutine_isyieldable},
    {"running", coroutine_running}, {"close", coroutine_close},   {NULL, NULL},
  };
  luaL_newlib(L, functions);
}
