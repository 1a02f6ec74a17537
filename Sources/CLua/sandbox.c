// What a chunk finds in its environment.
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

static const char template_key = 0;  // its address names the environments' template in the registry

// Upvalue: a function of Lua's own library, which may read all of its arguments in one go.
static int charged(lua_State *L) {
  size_t size = 0;
  int count = lua_gettop(L);
  for (int index = 1; index <= count && index <= 4; index++) {
    if (lua_type(L, index) == LUA_TSTRING) size += lua_rawlen(L, index) / 8;
  }
  host_charge(L, host_of(L), (unsigned)size + 1 + (unsigned)count);
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

// Replaces the C function on top by one that is charged to the call. Good for functions without upvalues.
void push_charged(lua_State *L) {
  if (lua_iscfunction(L, -1)) lua_pushcclosure(L, charged, 1);
}

static void keep_fields(lua_State *L, const char *from, const char *const *names) {
  lua_getglobal(L, from);
  for (; *names != NULL; names++) {
    lua_getfield(L, -1, *names);
    push_charged(L);
    lua_setfield(L, -3, *names);
  }
  lua_pop(L, 1);
}

static void add_string(lua_State *L) {
  static const char *const kept[] = {"byte",  "char", "len",    "lower",    "reverse", "sub",
                                     "upper", "pack", "unpack", "packsize", NULL};
  lua_newtable(L);
  keep_fields(L, "string", kept);
  open_strings(L);
  // Methods of strings come from here too; without this, ("x"):rep would be Lua's own.
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -5);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_setfield(L, -2, "__index");  // a copy: the template itself is never in reach of a chunk
  lua_pushliteral(L, "string");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
  lua_setfield(L, -2, "string");
}

static void add_table(lua_State *L) {
  static const char *const kept[] = {"pack", NULL};
  lua_newtable(L);
  keep_fields(L, "table", kept);
  open_tables(L);
  lua_setfield(L, -2, "table");
}

static void add_math(lua_State *L, int sandbox) {
  lua_getglobal(L, "math");
  if (sandbox == CLUA_SANDBOX_LOAD) {  // the same file gives the same result
    lua_pushnil(L);
    lua_setfield(L, -2, "random");
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
  }
  lua_setfield(L, -2, "math");
}

static void add_utf8(lua_State *L) {
  static const char *const kept[] = {"char", "charpattern", "codepoint", "codes", "len", "offset", NULL};
  lua_newtable(L);
  keep_fields(L, "utf8", kept);
  lua_setfield(L, -2, "utf8");
}

// Where Lua looks for the names of functions in messages ("bad argument #1 to 'string.rep'"). The template is on top.
static void name_functions(lua_State *L) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, -3);) {
    if (lua_istable(L, -1)) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, LUA_GNAME);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
}

void open_sandbox(lua_State *L, int sandbox) {
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
  luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
  lua_settop(L, 0);
  lua_newtable(L);
  open_base(L, sandbox);
  lua_getfield(L, 1, "tostring");
  lua_setglobal(L, "tostring");
  add_string(L);
  add_table(L);
  add_math(L, sandbox);
  add_utf8(L);
  open_coroutine(L);
  lua_setfield(L, -2, "coroutine");
  name_functions(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &template_key);
  // What Lua opened is out of reach from now on.
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

// Copies the table on top, one level deep, and leaves the copy there instead.
static void copy_table(lua_State *L, int fields) {
  lua_createtable(L, 0, fields);
  for (lua_pushnil(L); lua_next(L, -3);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

void clua_push_environment(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &template_key);
  lua_createtable(L, 0, 48);
  for (lua_pushnil(L); lua_next(L, -3);) {
    if (lua_istable(L, -1)) copy_table(L, 32);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
  lua_pushliteral(L, "_G");
  lua_pushvalue(L, -2);
  lua_rawset(L, -3);
}

// MARK: the state

static int panic(lua_State *L) {
  (void)L;
  // Only where the machine itself has no memory left: nothing raises outside a protected call otherwise.
  abort();
}

static void silent(void *context, const char *message, int more) {
  (void)context;
  (void)message;
  (void)more;
}

clua_host *clua_open(int sandbox, clua_body body, clua_release release) {
  clua_host *h = calloc(1, sizeof *h);
  if (h == NULL) return NULL;
  h->body = body;
  h->release = release;
  h->limit = SIZE_MAX;
  h->nanoseconds = UINT64_MAX / 4;
  h->instructions = INT64_MAX / 2;
  h->interval = CLUA_INTERVAL;
  lua_State *L = lua_newstate(host_allocate, h);
  if (L == NULL) {
    free(h);
    return NULL;
  }
  h->main = h->current = L;
  *(clua_host **)lua_getextraspace(L) = h;
  lua_atpanic(L, panic);
  lua_setwarnf(L, silent, NULL);
  host_arm(h, L);
  open_sandbox(L, sandbox);
  open_trampoline(L);
  // Lua makes this string when an error handler fails, outside of protection: let it exist already.
  lua_pushliteral(L, "error in error handling");
  lua_rawsetp(L, LUA_REGISTRYINDEX, h);
  lua_settop(L, 0);
  return h;
}

void clua_close(clua_host *h) {
  h->enforce = 0;
  h->current = h->main;
  lua_close(h->main);
  free(h);
}

const char *clua_release_name(void) { return LUA_RELEASE; }
