// The global functions that differ from Lua's own: what ends a call cannot be caught, finalisers are refused, and
// addresses are not shown.
#include "host.h"

// MARK: pcall, xpcall

static int finish_protected(lua_State *L, int status, lua_KContext extra) {
  clua_host *h = host_of(L);
  if (status != LUA_OK && status != LUA_YIELD) {
    if (h->reason != CLUA_REASON_NONE) return lua_error(L);  // a spent budget is not caught
    h->raising = h->carried = 0;
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)extra;
}

static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_protected);
  return finish_protected(L, status, 0);
}

// Upvalue: the handler given to xpcall. It must not run for errors that the hook raised: hooks are off then, and
// nothing could stop it.
static int guarded_handler(lua_State *L) {
  clua_host *h = host_of(L);
  if (h->reason != CLUA_REASON_NONE || h->raising) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static int base_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, guarded_handler, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  int status = lua_pcallk(L, lua_gettop(L) - 4, LUA_MULTRET, 2, 2, finish_protected);
  return finish_protected(L, status, 2);
}

// MARK: metatables, text

static int base_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int kind = lua_type(L, 2);
  luaL_argexpected(L, kind == LUA_TNIL || kind == LUA_TTABLE, 2, "nil or table");
  lua_settop(L, 2);
  if (kind == LUA_TTABLE) {
    // Finalisers run with hooks off. Only here does Lua look for one: set later, it is never called.
    lua_pushliteral(L, "__gc");
    lua_rawget(L, 2);
    if (!lua_isnil(L, -1)) return luaL_error(L, "finalisers (__gc) are not available; use <close> variables");
    lua_pop(L, 1);
  }
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  lua_setmetatable(L, 1);
  return 1;
}

static int base_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_callmeta(L, 1, "__tostring")) {
    if (!lua_isstring(L, -1)) return luaL_error(L, "'__tostring' must return a string");
    return 1;
  }
  switch (lua_type(L, 1)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
    case LUA_TBOOLEAN:
    case LUA_TNIL: luaL_tolstring(L, 1, NULL); return 1;
    default:
      if (luaL_getmetafield(L, 1, "__name") != LUA_TSTRING) lua_pushstring(L, luaL_typename(L, 1));
      return 1;
  }
}

// `next` with a look at the clock while the heap is large: over a table that was emptied, each call may search all
// of it.
static int base_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  clua_host *h = host_of(L);
  host_charge(L, h, h->used > CLUA_SMALL_HEAP ? CLUA_STEPS / 8 : 1);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

// Upvalue: next.
static int base_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
  }
  lua_pushvalue(L, 1);
  lua_call(L, 1, 3);
  return 3;
}

void open_base(lua_State *L, int sandbox) {
  static const char *const kept[] = {"assert", "error",    "getmetatable", "ipairs",   "rawequal", "rawget",
                                     "rawlen", "rawset",   "select",       "type", NULL};
  static const luaL_Reg functions[] = {
    {"pcall", base_pcall},       {"xpcall", base_xpcall}, {"setmetatable", base_setmetatable},
    {"tostring", base_tostring}, {NULL, NULL},
  };
  for (const char *const *name = kept; *name != NULL; name++) {
    lua_getglobal(L, *name);
    lua_setfield(L, -2, *name);
  }
  luaL_setfuncs(L, functions, 0);
  lua_getglobal(L, "tonumber");
  push_charged(L);
  lua_setfield(L, -2, "tonumber");
  lua_pushliteral(L, LUA_VERSION);
  lua_setfield(L, -2, "_VERSION");
  if (sandbox == CLUA_SANDBOX_LOAD) {
    open_pairs(L);
  } else {
    lua_pushcfunction(L, base_next);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "next");
    lua_pushcclosure(L, base_pairs, 1);
    lua_setfield(L, -2, "pairs");
  }
}
