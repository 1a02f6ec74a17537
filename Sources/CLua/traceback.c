// Where an error happened, read from the stack before it is unwound. Writes only to the fixed buffers of the host,
// so that reporting an error cannot fail itself.
#include <stdio.h>
#include <string.h>

#include "host.h"

static void copy(char *to, size_t size, const char *from) {
  snprintf(to, size, "%s", from);
}

// The name of a chunk as its author gave it: without the mark '@' or '='. A chunk named by its own text keeps the
// short form that Lua makes of it.
static const char *chunk_name(const lua_Debug *ar) {
  return ar->source[0] == '@' || ar->source[0] == '=' ? ar->source + 1 : ar->short_src;
}

// "chunk:12: message": the line, and where the message begins; 0 where `message` has no such prefix.
static int split(const char *message, const char *chunk, int *line, size_t *offset) {
  size_t length = strlen(chunk);
  if (strncmp(message, chunk, length) != 0 || message[length] != ':') return 0;
  const char *p = message + length + 1;
  long number = 0;
  if (*p < '0' || *p > '9') return 0;
  while (*p >= '0' && *p <= '9' && number < 100000000) number = number * 10 + (*p++ - '0');
  if (p[0] != ':' || p[1] != ' ') return 0;
  *line = (int)number;
  *offset = (size_t)(p + 2 - message);
  return 1;
}

static void describe(clua_frame *frame, const lua_Debug *ar) {
  frame->line = ar->currentline;
  copy(frame->chunk, sizeof frame->chunk, *ar->what == 'C' ? "[C]" : chunk_name(ar));
  if (*ar->what == 'm') copy(frame->name, sizeof frame->name, "main chunk");
  else if (ar->name != NULL && *ar->namewhat != '\0')
    snprintf(frame->name, sizeof frame->name, "%s '%s'", ar->namewhat, ar->name);
  else if (*ar->what == 'C') copy(frame->name, sizeof frame->name, "?");
  else snprintf(frame->name, sizeof frame->name, "function at line %d", ar->linedefined);
}

// How many levels there are, up to CLUA_DEPTH, by halving: to find level n costs n steps.
static int depth_of(lua_State *L) {
  lua_Debug ar;
  int low = 1, high = CLUA_DEPTH;
  if (lua_getstack(L, high, &ar)) return high;
  while (low < high) {
    int middle = (low + high) / 2;
    if (lua_getstack(L, middle, &ar)) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Reads only, so that the allocator may call it in the middle of anything.
void host_note_place(lua_State *L, const char *message, int level) {
  clua_host *h = host_of(L);
  int found = 0, placed = 0;
  if (h->carried) {
    // The error comes from a coroutine that noted its place; these frames lie below.
    h->carried = 0;
    found = placed = 1;
  } else {
    h->frame_count = h->frames_omitted = 0;
    h->line = -1;
    h->chunk[0] = '\0';
    h->message_offset = 0;
  }
  lua_Debug ar;
  for (; lua_getstack(L, level, &ar); level++) {
    if (h->frame_count == CLUA_FRAMES) {
      h->frames_omitted += depth_of(L) - level;
      break;
    }
    lua_getinfo(L, "Sln", &ar);
    describe(&h->frames[h->frame_count++], &ar);
    if (*ar.what == 'C' || found) continue;
    if (!placed) {  // the innermost Lua function, unless the message itself names a place
      placed = 1;
      h->line = ar.currentline;
      copy(h->chunk, sizeof h->chunk, chunk_name(&ar));
    }
    int line;
    size_t offset;
    if (message != NULL && split(message, ar.short_src, &line, &offset)) {
      found = 1;
      h->line = line;
      h->message_offset = offset;
      copy(h->chunk, sizeof h->chunk, chunk_name(&ar));
    }
  }
  // At the bottom of a coroutine is coroutine_entry, which says nothing to anybody.
  if (L != h->main && h->frames_omitted == 0 && h->frame_count > 1) h->frame_count--;
}

int host_message_handler(lua_State *L) {
  // A spent budget has noted its place where it struck; what unwinding adds is not of interest.
  if (host_of(L)->reason == CLUA_REASON_NONE) {
    host_note_place(L, lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : NULL, 1);
  }
  return 1;
}

// Lua shortens long chunk names in messages: "...tail" for files.
static void short_name(char *to, const char *name) {
  enum { LONGEST = LUA_IDSIZE - 1 };
  size_t length = strlen(name + 1);
  if (*name == '=') snprintf(to, LUA_IDSIZE, "%s", name + 1);
  else if (length <= LONGEST) copy(to, LUA_IDSIZE, name + 1);
  else snprintf(to, LUA_IDSIZE, "...%s", name + 1 + (length - (LONGEST - 3)));
}

void host_syntax_position(clua_host *h, const char *name, const char *message) {
  h->frame_count = h->frames_omitted = 0;
  h->line = -1;
  h->message_offset = 0;
  copy(h->chunk, sizeof h->chunk, name + 1);
  char short_chunk[LUA_IDSIZE];
  short_name(short_chunk, name);
  int line;
  size_t offset;
  if (message != NULL && split(message, short_chunk, &line, &offset)) {
    h->line = line;
    h->message_offset = offset;
  }
}

const char *clua_position(lua_State *L, int level, int *line) {
  lua_Debug ar;
  *line = -1;
  if (level < 0 || !lua_getstack(L, level, &ar)) return NULL;
  lua_getinfo(L, "Sl", &ar);
  if (*ar.what == 'C') return NULL;
  *line = ar.currentline;
  return ar.source[0] == '@' || ar.source[0] == '=' ? ar.source + 1 : ar.source;
}
