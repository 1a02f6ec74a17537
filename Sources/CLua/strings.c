// The functions of `string` that could run long in one C call, with Lua's own meaning.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "pattern.h"

// Where a search begins, from the argument at `index`; beyond the end: length + 1.
static size_t search_start(lua_State *L, int index, size_t length) {
  lua_Integer at = luaL_optinteger(L, index, 1);
  if (at > 0) return (size_t)at > length + 1 ? length + 1 : (size_t)at - 1;
  if (at == 0 || at < -(lua_Integer)length) return 0;
  return length + (size_t)at;
}

static int find_plain(lua_State *L, const char *s, size_t length, const char *p, size_t p_length, size_t start) {
  host_charge(L, host_of(L), (unsigned)((length - start) / 16));
  const char *found = p_length == 0 ? s + start : memmem(s + start, length - start, p, p_length);
  if (found == NULL) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushinteger(L, found - s + 1);
  lua_pushinteger(L, found - s + (lua_Integer)p_length);
  return 2;
}

static int is_plain(const char *p, size_t length) {
  static const char specials[] = {'^', '$', '*', '+', '?', '.', '(', '[', '%', '-'};
  for (size_t i = 0; i < length; i++) {
    if (memchr(specials, p[i], sizeof specials) != NULL) return 0;
  }
  return 1;
}

static int search(lua_State *L, int find) {
  size_t length, p_length;
  const char *s = luaL_checklstring(L, 1, &length);
  const char *p = luaL_checklstring(L, 2, &p_length);
  size_t start = search_start(L, 3, length);
  if (start > length) {
    lua_pushnil(L);
    return 1;
  }
  if (find && (lua_toboolean(L, 4) || is_plain(p, p_length))) {
    return find_plain(L, s, length, p, p_length, start);
  }
  pattern_match m;
  int anchored = p_length > 0 && *p == '^';
  pattern_prepare(&m, L, s, length, p, p_length);
  if (anchored) p++;
  for (const char *at = s + start; at <= m.subject_end; at++) {
    const char *end = pattern_at(&m, at, p);
    if (end != NULL) {
      if (!find) return pattern_push_captures(&m, at, end);
      lua_pushinteger(L, at - s + 1);
      lua_pushinteger(L, end - s);
      return pattern_push_captures(&m, NULL, NULL) + 2;
    }
    if (anchored) break;
  }
  lua_pushnil(L);
  return 1;
}

static int string_find(lua_State *L) { return search(L, 1); }
static int string_match(lua_State *L) { return search(L, 0); }

// Upvalues: subject, pattern, where to go on, end of the last match (both from 0; -1: none yet).
static int gmatch_next(lua_State *L) {
  size_t length, p_length;
  const char *s = lua_tolstring(L, lua_upvalueindex(1), &length);
  const char *p = lua_tolstring(L, lua_upvalueindex(2), &p_length);
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  pattern_match m;
  pattern_prepare(&m, L, s, length, p, p_length);
  for (const char *at = s + lua_tointeger(L, lua_upvalueindex(3)); at <= m.subject_end; at++) {
    const char *end = pattern_at(&m, at, p);
    if (end == NULL || end - s == last) continue;
    lua_pushinteger(L, end - s);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return pattern_push_captures(&m, at, end);
  }
  lua_pushinteger(L, (lua_Integer)length + 1);
  lua_replace(L, lua_upvalueindex(3));
  return 0;
}

static int string_gmatch(lua_State *L) {
  size_t length;
  luaL_checklstring(L, 1, &length);
  luaL_checkstring(L, 2);
  size_t start = search_start(L, 3, length);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)start);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, gmatch_next, 4);
  return 1;
}

// MARK: gsub

static void add_template(pattern_match *m, luaL_Buffer *b, const char *s, const char *e) {
  size_t length;
  const char *text = lua_tolstring(m->L, 3, &length);
  const char *end = text + length;
  host_charge(m->L, m->host, (unsigned)(length / 16));
  for (; text < end; text++) {
    if (*text != '%') {
      luaL_addchar(b, *text);
      continue;
    }
    text++;
    if (text < end && *text == '%') {
      luaL_addchar(b, '%');
    } else if (text < end && *text == '0') {
      luaL_addlstring(b, s, (size_t)(e - s));
    } else if (text < end && *text >= '1' && *text <= '9') {
      pattern_push_capture(m, *text - '1', s, e);
      luaL_tolstring(m->L, -1, NULL);
      lua_remove(m->L, -2);
      luaL_addvalue(b);
    } else {
      luaL_error(m->L, "invalid use of '%%' in replacement string");
    }
  }
}

// Adds what stands for the match from `s` to `e`; 1 where that differs from the match.
static int add_replacement(pattern_match *m, luaL_Buffer *b, const char *s, const char *e, int kind) {
  lua_State *L = m->L;
  switch (kind) {
    case LUA_TFUNCTION: {
      lua_pushvalue(L, 3);
      int count = pattern_push_captures(m, s, e);
      lua_call(L, count, 1);
      break;
    }
    case LUA_TTABLE:
      pattern_push_capture(m, 0, s, e);
      lua_gettable(L, 3);
      break;
    default: add_template(m, b, s, e); return 1;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(b, s, (size_t)(e - s));
    return 0;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(b);
  return 1;
}

static int string_gsub(lua_State *L) {
  size_t length, p_length;
  const char *s = luaL_checklstring(L, 1, &length);
  const char *p = luaL_checklstring(L, 2, &p_length);
  int kind = lua_type(L, 3);
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)length + 1);
  luaL_argexpected(
    L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION || kind == LUA_TTABLE, 3,
    "string/function/table");
  lua_settop(L, 4);
  pattern_match m;
  int anchored = p_length > 0 && *p == '^';
  pattern_prepare(&m, L, s, length, p, p_length);
  if (anchored) p++;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  lua_Integer count = 0;
  int changed = 0;
  const char *last = NULL;
  while (count < most) {
    const char *end = pattern_at(&m, s, p);
    if (end != NULL && end != last) {
      count++;
      changed |= add_replacement(&m, &b, s, end, kind);
      s = last = end;
    } else if (s < m.subject_end) {
      luaL_addchar(&b, *s++);
    } else {
      break;
    }
    if (anchored) break;
  }
  if (!changed) {
    lua_pushvalue(L, 1);
  } else {
    luaL_addlstring(&b, s, (size_t)(m.subject_end - s));
    luaL_pushresult(&b);
  }
  lua_pushinteger(L, count);
  return 2;
}

// MARK: rep, format

static int string_rep(lua_State *L) {
  size_t length, gap;
  const char *s = luaL_checklstring(L, 1, &length);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *between = luaL_optlstring(L, 3, "", &gap);
  if (n <= 0 || (length == 0 && gap == 0)) {
    lua_pushliteral(L, "");
    return 1;
  }
  // Refused before anything is allocated: what cannot fit would cost a full collection first.
  if (length + gap > host_of(L)->limit / (size_t)n) return luaL_error(L, "resulting string too large");
  size_t total = (size_t)n * length + (size_t)(n - 1) * gap;
  host_charge(L, host_of(L), (unsigned)(total / 64 + (size_t)n / 8));
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, total);
  while (n-- > 1) {
    memcpy(to, s, length);
    to += length;
    memcpy(to, between, gap);
    to += gap;
  }
  memcpy(to, s, length);
  luaL_pushresultsize(&b, total);
  return 1;
}

// Upvalues: Lua's own format, our tostring. Addresses never show: they tell where the process lies in memory, and
// they differ from run to run.
static int string_format(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  const char *end = text + length;
  host_charge(L, host_of(L), (unsigned)(length / 16));
  int argument = 1;
  for (; text < end; text++) {
    if (*text != '%') continue;
    if (++text < end && *text == '%') continue;
    argument++;
    while (text < end && strchr("-+ #0123456789.", *text) != NULL && *text != '\0') text++;
    if (text >= end) break;  // Lua's own says what is wrong
    if (*text == 'p') return luaL_error(L, "invalid conversion '%%p' to 'format' (addresses are not shown)");
    if (*text != 's' || lua_type(L, argument) == LUA_TSTRING || lua_isnone(L, argument)) continue;
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_pushvalue(L, argument);
    lua_call(L, 1, 1);
    lua_replace(L, argument);
  }
  return lua_tocfunction(L, lua_upvalueindex(1))(L);  // in this frame, so that its errors name it
}

void open_strings(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch},
    {"gsub", string_gsub}, {"rep", string_rep},     {NULL, NULL},
  };
  luaL_setfuncs(L, functions, 0);
  lua_getglobal(L, "string");
  lua_getfield(L, -1, "format");
  lua_remove(L, -2);
  lua_getglobal(L, "tostring");  // ours: open_base has run
  lua_pushcclosure(L, string_format, 2);
  lua_setfield(L, -2, "format");
}
