#define _POSIX_C_SOURCE 200809L
#include "loops.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>
#include <time.h>

struct loops {
  lua_State *L;
  int add, callback;
  int guarded;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void hook(lua_State *L, lua_Debug *event) {
  (void)L;
  (void)event;
}

static int handler(lua_State *L) {
  luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

static int increment(lua_State *L) {
  lua_pushinteger(L, luaL_checkinteger(L, 1) + 1);
  return 1;
}

loops *loops_open(const char *source, int guarded) {
  loops *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    free(l);
    return NULL;
  }
  l->L = L;
  l->guarded = guarded;
  luaL_openlibs(L);
  lua_register(L, "increment", increment);
  if (guarded) lua_sethook(L, hook, LUA_MASKCOUNT, 1000);
  if (luaL_dostring(L, source) != LUA_OK) abort();
  lua_getglobal(L, "add");
  l->add = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_getglobal(L, "callback");
  l->callback = luaL_ref(L, LUA_REGISTRYINDEX);
  return l;
}

void loops_close(loops *l) {
  lua_close(l->L);
  free(l);
}

static lua_Integer call(loops *l, int function, lua_Integer argument) {
  lua_State *L = l->L;
  if (l->guarded) lua_pushcfunction(L, handler);
  lua_rawgeti(L, LUA_REGISTRYINDEX, function);
  lua_pushinteger(L, argument);
  if (lua_pcall(L, 1, 1, l->guarded ? -3 : 0) != LUA_OK) abort();
  int valid;
  lua_Integer result = lua_tointegerx(L, -1, &valid);
  if (!valid) abort();
  lua_settop(L, 0);
  return result;
}

double loops_call(loops *l, long n) {
  double start = now();
  lua_Integer sum = 0;
  for (long i = 1; i <= n; i++) sum += call(l, l->add, i);
  double end = now();
  if (sum != (lua_Integer)n * (n + 3) / 2) abort();
  return (end - start) / (double)n;
}

double loops_callback(loops *l, long n) {
  double start = now();
  lua_Integer result = call(l, l->callback, n);
  double end = now();
  if (result != n) abort();
  return (end - start) / (double)n;
}
