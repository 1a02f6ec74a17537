// Lua's patterns, matched by steps that are charged to the call: the library's own matcher is one C call that may
// take years, and no hook runs inside it.
#pragma once
#include "host.h"

enum { PATTERN_CAPTURES = 32 };
// Recursion of the matcher; the same limit as Lua's own.
enum { PATTERN_DEPTH = 200 };

enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

typedef struct pattern_match {
  lua_State *L;
  clua_host *host;
  const char *subject, *subject_end;
  const char *pattern_end;
  int depth;
  int level;  // captures, open or closed
  struct {
    const char *start;
    ptrdiff_t length;  // or CAPTURE_*
  } capture[PATTERN_CAPTURES];
} pattern_match;

void pattern_prepare(pattern_match *m, lua_State *L, const char *subject, size_t length, const char *pattern,
                     size_t pattern_length);
// The end of the match of `pattern` at `at`, or null. Raises on a malformed pattern and on a spent budget.
const char *pattern_at(pattern_match *m, const char *at, const char *pattern);
// Pushes all captures, or the whole match where there are none and `start` is not null; answers how many.
int pattern_push_captures(pattern_match *m, const char *start, const char *end);
// Pushes capture `index` (from 0).
void pattern_push_capture(pattern_match *m, int index, const char *start, const char *end);
