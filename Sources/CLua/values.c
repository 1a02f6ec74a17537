// Small wrappers over Lua's API for macros and for functions whose names Swift may not see.
#include "host.h"

lua_State *clua_thread_new(clua_host *h, int *reference) {
  lua_State *thread = lua_newthread(h->current);
  *reference = luaL_ref(h->current, LUA_REGISTRYINDEX);
  return thread;
}

int clua_keep(lua_State *L) { return luaL_ref(L, LUA_REGISTRYINDEX); }
void clua_drop(lua_State *L, int reference) { luaL_unref(L, LUA_REGISTRYINDEX, reference); }
void clua_push_reference(lua_State *L, int reference) { lua_rawgeti(L, LUA_REGISTRYINDEX, reference); }

void clua_set_metatable(lua_State *L, int table) { lua_setmetatable(L, table); }

void clua_set_field(lua_State *L, int index, const char *key, size_t length) {
  index = lua_absindex(L, index);
  lua_pushlstring(L, key, length);
  lua_insert(L, -2);
  lua_rawset(L, index);
}

void clua_get_field(lua_State *L, int index, const char *key, size_t length) {
  index = lua_absindex(L, index);
  lua_pushlstring(L, key, length);
  lua_rawget(L, index);
}

int clua_set_environment(lua_State *L, int function) {
  function = lua_absindex(L, function);
  if (lua_setupvalue(L, function, 1) != NULL) return 1;
  lua_pop(L, 1);
  return 0;
}

int clua_type_tag(lua_State *L, int index, const char **name, size_t *length) {
  index = lua_absindex(L, index);
  if (!lua_getmetatable(L, index)) return 0;
  lua_pushliteral(L, "__name");
  lua_rawget(L, -2);
  int found = lua_type(L, -1) == LUA_TSTRING;
  if (found) *name = lua_tolstring(L, -1, length);  // the metatable keeps it alive
  lua_pop(L, 2);
  return found;
}

void clua_pop(lua_State *L, int count) { lua_pop(L, count); }
int clua_absolute(lua_State *L, int index) { return lua_absindex(L, index); }
int clua_is_integer(lua_State *L, int index) { return lua_isinteger(L, index); }

const char *clua_to_string(lua_State *L, int index, size_t *length) {
  return lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, length) : NULL;
}

void clua_push_error(lua_State *L, lua_State *caller, const char *message, size_t length) {
  if (!lua_checkstack(caller, 2) || !lua_checkstack(L, 4)) {
    lua_pushnil(L);
    return;
  }
  luaL_where(caller, 1);
  if (caller != L) lua_xmove(caller, L, 1);
  lua_pushlstring(L, message, length);
  lua_concat(L, 2);  // two strings: no metamethod is called
}

const char *clua_error_chunk(const clua_host *h) { return h->chunk; }
const clua_frame *clua_error_frame(const clua_host *h, int index) { return &h->frames[index]; }
const char *clua_frame_chunk(const clua_frame *frame) { return frame->chunk; }
const char *clua_frame_name(const clua_frame *frame) { return frame->name; }
