// `pairs` and `next` in key order: numbers, strings by bytes, booleans; other keys last, in no order of their own.
// Lua's own order differs from run to run, and with it everything made from it: plans, hashes, messages.
#include <string.h>

#include "host.h"

enum { RANK_NUMBER, RANK_STRING, RANK_BOOLEAN, RANK_OTHER };

typedef struct sort_key {
  int rank;
  int is_integer;
  lua_Integer integer;  // also a boolean
  lua_Number number;
  const char *text;
  size_t length;
  lua_Integer place;  // in the table of keys
} sort_key;

static sort_key read_key(lua_State *L, int index) {
  sort_key key = {.rank = RANK_OTHER};
  switch (lua_type(L, index)) {
    case LUA_TNUMBER:
      key.rank = RANK_NUMBER;
      key.is_integer = lua_isinteger(L, index);
      key.integer = lua_tointeger(L, index);
      key.number = lua_tonumber(L, index);
      break;
    case LUA_TSTRING:
      key.rank = RANK_STRING;
      key.text = lua_tolstring(L, index, &key.length);
      break;
    case LUA_TBOOLEAN:
      key.rank = RANK_BOOLEAN;
      key.integer = lua_toboolean(L, index);
      break;
    default: break;
  }
  return key;
}

static int compare(const sort_key *a, const sort_key *b) {
  if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
  switch (a->rank) {
    case RANK_NUMBER:
      if (!a->is_integer || !b->is_integer) return a->number < b->number ? -1 : a->number > b->number;
      return a->integer < b->integer ? -1 : a->integer > b->integer;
    case RANK_BOOLEAN: return a->integer < b->integer ? -1 : a->integer > b->integer;
    case RANK_STRING: {
      size_t common = a->length < b->length ? a->length : b->length;
      int order = memcmp(a->text, b->text, common);
      if (order != 0) return order;
      return a->length < b->length ? -1 : a->length > b->length;
    }
    default: return 0;
  }
}

// What a comparison of two keys costs, in steps.
static unsigned cost(const sort_key *a, const sort_key *b) {
  if (a->rank != RANK_STRING || b->rank != RANK_STRING) return 1;
  return 4 + (unsigned)((a->length < b->length ? a->length : b->length) / 16);
}

// Merge sort; `spare` is as long as `keys`. Answers which of the two holds the result.
static sort_key *sort(lua_State *L, sort_key *keys, sort_key *spare, size_t count) {
  clua_host *h = host_of(L);
  for (size_t width = 1; width < count; width *= 2) {
    for (size_t low = 0; low < count; low += 2 * width) {
      size_t middle = low + width < count ? low + width : count;
      size_t high = low + 2 * width < count ? low + 2 * width : count;
      size_t left = low, right = middle;
      for (size_t to = low; to < high; to++) {
        int both = left < middle && right < high;
        host_charge(L, h, both ? cost(&keys[left], &keys[right]) : 1);
        int take_left = both ? compare(&keys[left], &keys[right]) <= 0 : left < middle;
        spare[to] = take_left ? keys[left++] : keys[right++];
      }
    }
    sort_key *swap = keys;
    keys = spare;
    spare = swap;
  }
  return keys;
}

// Upvalues: the sorted keys, how many of them were visited.
static int sorted_step(lua_State *L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(2));
  for (;;) {
    at++;
    if (lua_rawgeti(L, lua_upvalueindex(1), at) == LUA_TNIL) return 1;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) break;  // not removed meanwhile
    lua_pop(L, 2);
    host_charge(L, host_of(L), 1);
  }
  lua_pushinteger(L, at);
  lua_replace(L, lua_upvalueindex(2));
  return 2;
}

static int sorted_pairs(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
    lua_pushvalue(L, 1);
    lua_call(L, 1, 3);
    return 3;
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  clua_host *h = host_of(L);
  lua_newtable(L);  // 2: the keys as found
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, 1);) {
    host_charge(L, h, 1);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, ++count);
  }
  sort_key *keys = lua_newuserdatauv(L, (size_t)(2 * count + 1) * sizeof(sort_key), 0);  // 3
  for (lua_Integer place = 1; place <= count; place++) {
    lua_rawgeti(L, 2, place);
    keys[place - 1] = read_key(L, -1);
    keys[place - 1].place = place;
    lua_pop(L, 1);
  }
  sort_key *sorted = sort(L, keys, keys + count, (size_t)count);
  lua_createtable(L, (int)count, 0);  // 4
  for (lua_Integer place = 1; place <= count; place++) {
    lua_rawgeti(L, 2, sorted[place - 1].place);
    lua_rawseti(L, 4, place);
  }
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, sorted_step, 2);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

// The least key above the one given: one pass over the table.
static int sorted_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  clua_host *h = host_of(L);
  int first = lua_isnil(L, 2);
  sort_key previous = read_key(L, 2);
  int unordered = !first && previous.rank == RANK_OTHER;
  lua_pushnil(L);  // 3: the best key so far
  sort_key best = {.rank = RANK_OTHER};
  int found = 0;
  if (unordered) lua_pushvalue(L, 2);
  else lua_pushnil(L);
  while (lua_next(L, 1)) {
    lua_pop(L, 1);
    sort_key key = read_key(L, -1);
    host_charge(L, h, 1 + (first ? 1 : cost(&key, &previous)) + (found ? cost(&key, &best) : 0));
    if (key.rank == RANK_OTHER ? found : (unordered || (!first && compare(&key, &previous) <= 0))) continue;
    if (found && compare(&key, &best) >= 0) continue;
    found = 1;
    best = key;
    lua_copy(L, -1, 3);
    if (unordered) break;
  }
  lua_settop(L, 3);
  if (!found) return 1;
  lua_pushvalue(L, 3);
  lua_rawget(L, 1);
  return 2;
}

void open_pairs(lua_State *L) {
  lua_pushcfunction(L, sorted_pairs);
  lua_setfield(L, -2, "pairs");
  lua_pushcfunction(L, sorted_next);
  lua_setfield(L, -2, "next");
}
