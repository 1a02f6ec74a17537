// The functions of `table`, with every element charged to the call.
#include <limits.h>

#include "host.h"

static lua_Integer checked_length(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  return luaL_len(L, index);
}

static int table_insert(lua_State *L) {
  clua_host *h = host_of(L);
  lua_Integer end = checked_length(L, 1);
  end = luaL_intop(+, end, 1);
  lua_Integer at = end;
  switch (lua_gettop(L)) {
    case 2: break;
    case 3:
      at = luaL_checkinteger(L, 2);
      luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)end, 2, "position out of bounds");
      for (lua_Integer i = end; i > at; i--) {
        host_charge(L, h, 1);
        lua_geti(L, 1, i - 1);
        lua_seti(L, 1, i);
      }
      break;
    default: return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  lua_seti(L, 1, at);
  return 0;
}

static int table_remove(lua_State *L) {
  clua_host *h = host_of(L);
  lua_Integer size = checked_length(L, 1);
  lua_Integer at = luaL_optinteger(L, 2, size);
  if (at != size) {
    luaL_argcheck(L, (lua_Unsigned)at - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
  }
  lua_geti(L, 1, at);
  for (; at < size; at++) {
    host_charge(L, h, 1);
    lua_geti(L, 1, at + 1);
    lua_seti(L, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

static int table_move(lua_State *L) {
  clua_host *h = host_of(L);
  lua_Integer first = luaL_checkinteger(L, 2);
  lua_Integer last = luaL_checkinteger(L, 3);
  lua_Integer to = luaL_checkinteger(L, 4);
  int target = lua_isnoneornil(L, 5) ? 1 : 5;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, target, LUA_TTABLE);
  if (last >= first) {
    luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
    lua_Integer count = last - first + 1;
    luaL_argcheck(L, to <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
    int upwards = to > last || to <= first || (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
    for (lua_Integer n = 0; n < count; n++) {
      lua_Integer i = upwards ? n : count - 1 - n;
      host_charge(L, h, 1);
      lua_geti(L, 1, first + i);
      lua_seti(L, target, to + i);
    }
  }
  lua_pushvalue(L, target);
  return 1;
}

static int table_concat(lua_State *L) {
  clua_host *h = host_of(L);
  lua_Integer last = checked_length(L, 1);
  size_t gap;
  const char *between = luaL_optlstring(L, 2, "", &gap);
  lua_Integer i = luaL_optinteger(L, 3, 1);
  last = luaL_optinteger(L, 4, last);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (i <= last) {
    host_charge(L, h, 2 + (unsigned)(gap / 64));
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1)) {
      return luaL_error(
        L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), (LUAI_UACINT)i);
    }
    luaL_addvalue(&b);
    if (i == last) break;  // `last` may be the greatest integer
    luaL_addlstring(&b, between, gap);
    i++;
  }
  luaL_pushresult(&b);
  return 1;
}

static int table_unpack(lua_State *L) {
  lua_Integer first = luaL_optinteger(L, 2, 1);
  lua_Integer last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
  if (first > last) return 0;
  lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
  if (count >= INT_MAX || !lua_checkstack(L, (int)++count)) return luaL_error(L, "too many results to unpack");
  clua_host *h = host_of(L);
  for (lua_Unsigned n = 0; n < count; n++) {
    host_charge(L, h, 1);
    lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + n));
  }
  return (int)count;
}

// MARK: sort

// Is the value below the top less than the one on top; both stay there.
static int less(lua_State *L, int comparator) {
  if (!comparator) {
    if (lua_type(L, -1) == LUA_TSTRING) host_charge(L, host_of(L), (unsigned)(lua_rawlen(L, -1) / 16));
    return lua_compare(L, -2, -1, LUA_OPLT);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -3);
  lua_pushvalue(L, -3);
  lua_call(L, 2, 1);
  int answer = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return answer;
}

// Merges [low, middle) and [middle, high) of table `from` into table `to`. Takes from the right only what is less,
// so that equal elements keep their order.
static void merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle, lua_Integer high, int comparator) {
  clua_host *h = host_of(L);
  lua_Integer left = low, right = middle;
  for (lua_Integer at = low; at < high; at++) {
    host_charge(L, h, 4);
    int take_right = left >= middle;
    if (!take_right && right < high) {
      lua_rawgeti(L, from, right);
      lua_rawgeti(L, from, left);
      take_right = less(L, comparator);
      lua_pop(L, 2);
    }
    lua_rawgeti(L, from, take_right ? right++ : left++);
    lua_rawseti(L, to, at);
  }
}

// A stable merge sort on copies: the table changes only once all comparisons are done, so an error in a comparison
// loses nothing.
static int table_sort(lua_State *L) {
  clua_host *h = host_of(L);
  lua_Integer count = checked_length(L, 1);
  if (count < 2) return 0;
  luaL_argcheck(L, count < INT_MAX, 1, "array too big");
  int comparator = !lua_isnoneornil(L, 2);
  if (comparator) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_newtable(L);
  lua_newtable(L);
  for (lua_Integer i = 1; i <= count; i++) {
    host_charge(L, h, 1);
    lua_geti(L, 1, i);
    lua_rawseti(L, 3, i);
  }
  int from = 3, to = 4;
  for (lua_Integer width = 1; width < count; width *= 2) {
    for (lua_Integer low = 1; low <= count; low += 2 * width) {
      lua_Integer middle = low + width <= count ? low + width : count + 1;
      lua_Integer high = low + 2 * width <= count ? low + 2 * width : count + 1;
      merge(L, from, to, low, middle, high, comparator);
    }
    from = 7 - from;
    to = 7 - to;
  }
  for (lua_Integer i = 1; i <= count; i++) {
    host_charge(L, h, 1);
    lua_rawgeti(L, from, i);
    lua_seti(L, 1, i);
  }
  return 0;
}

void open_tables(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"insert", table_insert}, {"remove", table_remove}, {"move", table_move}, {"concat", table_concat},
    {"unpack", table_unpack}, {"sort", table_sort},     {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
}
