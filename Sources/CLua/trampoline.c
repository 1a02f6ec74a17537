// The way from Lua into Swift and back. Errors and yields happen here, after the Swift frames have returned.
#include "host.h"

static const char context_key = 0;  // its address names the metatable of contexts in the registry

static int finish(lua_State *L, clua_host *h, int answer) {
  if (h->used > h->limit) {
    // What Swift pushed was not limited; raise now, from C, if it does not fit even after a collection.
    h->enforce = 0;
    lua_gc(L, LUA_GCCOLLECT);
    h->enforce = 1;
    host_tick(h);
    if (h->used > h->limit) {
      host_note_place(L, NULL, 0);
      lua_settop(L, 0);
      lua_pushliteral(L, "not enough memory");  // Lua takes this text for a lack of memory
      return lua_error(L);
    }
  }
  if (h->reason != CLUA_REASON_NONE) {
    host_expire(h, L, h->reason);
    return host_raise_expired(L);
  }
  return answer == CLUA_RAISE ? lua_error(L) : answer;
}

static int call_host(lua_State *L) {
  clua_host *h = host_of(L);
  void **context = lua_touserdata(L, lua_upvalueindex(1));
  h->enforce = 0;
  int answer = h->body(L, *context);
  h->enforce = 1;
  if (answer >= 0 && h->used <= h->limit && h->reason == CLUA_REASON_NONE) return answer;
  if (answer == CLUA_AWAIT && h->reason == CLUA_REASON_NONE) {
    h->awaiting = 1;
    h->waiting = L;
    return lua_yieldk(L, 0, lua_gettop(L), host_resumed);
  }
  return finish(L, h, answer);
}

// The host resumed this coroutine: its results, or the error value, are above what was on the stack.
int host_resumed(lua_State *L, int status, lua_KContext context) {
  (void)status;
  clua_host *h = host_of(L);
  int count = lua_gettop(L) - (int)context;
  if (h->reply_raises) {
    h->reply_raises = 0;
    return finish(L, h, CLUA_RAISE);
  }
  return finish(L, h, count);
}

static int release_context(lua_State *L) {
  clua_host *h = host_of(L);
  void **context = lua_touserdata(L, 1);
  if (*context != NULL) {
    // Swift runs deinitialisers; no Lua function is called by them.
    h->release(*context);
    *context = NULL;
  }
  return 0;
}

void open_trampoline(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, release_context);
  lua_setfield(L, -2, "__gc");
  lua_pushliteral(L, "host function");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
}

void clua_push_host(lua_State *L, void *context) {
  void **slot = lua_newuserdatauv(L, sizeof(void *), 0);
  *slot = context;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, call_host, 1);
}

int clua_can_await(lua_State *L) {
  return lua_isyieldable(L) && host_of(L)->blocked == 0;
}
