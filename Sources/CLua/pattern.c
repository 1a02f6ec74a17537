#include "pattern.h"

#include <ctype.h>
#include <string.h>

#define BYTE(c) ((unsigned char)(c))

static const char *match(pattern_match *m, const char *s, const char *p);

static int fail(pattern_match *m, const char *message) { return luaL_error(m->L, "%s", message); }

static void step(pattern_match *m, unsigned count) { host_charge(m->L, m->host, count); }

void pattern_prepare(pattern_match *m, lua_State *L, const char *subject, size_t length, const char *pattern,
                     size_t pattern_length) {
  m->L = L;
  m->host = host_of(L);
  m->subject = subject;
  m->subject_end = subject + length;
  m->pattern_end = pattern + pattern_length;
  m->depth = 0;
  m->level = 0;
}

const char *pattern_at(pattern_match *m, const char *at, const char *pattern) {
  m->level = 0;
  m->depth = 0;
  step(m, 1);
  return match(m, at, pattern);
}

// MARK: classes

// Behind the single-character class that begins at `p`.
static const char *class_end(pattern_match *m, const char *p) {
  if (*p == '%') {
    if (p + 1 == m->pattern_end) fail(m, "malformed pattern (ends with '%')");
    return p + 2;
  }
  if (*p++ != '[') return p;
  if (p < m->pattern_end && *p == '^') p++;
  do {  // a ']' in first place stands for itself
    if (p == m->pattern_end) fail(m, "malformed pattern (missing ']')");
    char c = *p++;
    if (c == '%') {
      if (p == m->pattern_end) fail(m, "malformed pattern (missing ']')");
      p++;
    }
  } while (p == m->pattern_end || *p != ']');
  return p + 1;
}

static int in_letter_class(int c, int letter) {
  int answer;
  switch (tolower(letter)) {
    case 'a': answer = isalpha(c); break;
    case 'c': answer = iscntrl(c); break;
    case 'd': answer = isdigit(c); break;
    case 'g': answer = isgraph(c); break;
    case 'l': answer = islower(c); break;
    case 'p': answer = ispunct(c); break;
    case 's': answer = isspace(c); break;
    case 'u': answer = isupper(c); break;
    case 'w': answer = isalnum(c); break;
    case 'x': answer = isxdigit(c); break;
    case 'z': answer = c == 0; break;  // out of use, still understood
    default: return letter == c;
  }
  answer = answer != 0;
  return isupper(letter) ? !answer : answer;
}

// `p` is at '[', `last` at its ']'.
static int in_set(int c, const char *p, const char *last) {
  int positive = 1;
  if (p[1] == '^') {
    positive = 0;
    p++;
  }
  while (++p < last) {
    if (*p == '%') {
      p++;
      if (in_letter_class(c, BYTE(*p))) return positive;
    } else if (p[1] == '-' && p + 2 < last) {
      p += 2;
      if (BYTE(p[-2]) <= c && c <= BYTE(*p)) return positive;
    } else if (BYTE(*p) == c) {
      return positive;
    }
  }
  return !positive;
}

// Does the class from `p` to `end` take the character at `s`?
static int takes(pattern_match *m, const char *s, const char *p, const char *end) {
  if (s >= m->subject_end) return 0;
  int c = BYTE(*s);
  switch (*p) {
    case '.': return 1;
    case '%': return in_letter_class(c, BYTE(p[1]));
    case '[':
      step(m, (unsigned)(end - p) / 4);
      return in_set(c, p, end - 1);
    default: return BYTE(*p) == c;
  }
}

// MARK: items

static const char *match_balance(pattern_match *m, const char *s, const char *p) {
  if (p >= m->pattern_end - 1) fail(m, "malformed pattern (missing arguments to '%b')");
  if (s >= m->subject_end || *s != *p) return NULL;
  char open = p[0], close = p[1];
  int nesting = 1;
  while (++s < m->subject_end) {
    step(m, 1);
    if (*s == close) {
      if (--nesting == 0) return s + 1;
    } else if (*s == open) {
      nesting++;
    }
  }
  return NULL;
}

static const char *match_frontier(pattern_match *m, const char *s, const char *p, const char **next) {
  if (p >= m->pattern_end || *p != '[') fail(m, "missing '[' after '%f' in pattern");
  const char *end = class_end(m, p);
  int before = s == m->subject ? 0 : BYTE(s[-1]);
  int here = s < m->subject_end ? BYTE(*s) : 0;
  step(m, (unsigned)(end - p));
  *next = end;
  return !in_set(before, p, end - 1) && in_set(here, p, end - 1) ? s : NULL;
}

static const char *expand_most(pattern_match *m, const char *s, const char *p, const char *end) {
  ptrdiff_t count = 0;
  while (takes(m, s + count, p, end)) {
    step(m, 1);
    count++;
  }
  for (; count >= 0; count--) {
    step(m, 1);
    const char *found = match(m, s + count, end + 1);
    if (found != NULL) return found;
  }
  return NULL;
}

static const char *expand_least(pattern_match *m, const char *s, const char *p, const char *end) {
  for (;;) {
    step(m, 1);
    const char *found = match(m, s, end + 1);
    if (found != NULL) return found;
    if (!takes(m, s, p, end)) return NULL;
    s++;
  }
}

// MARK: captures

static const char *open_capture(pattern_match *m, const char *s, const char *p, ptrdiff_t kind) {
  if (m->level >= PATTERN_CAPTURES) fail(m, "too many captures");
  m->capture[m->level].start = s;
  m->capture[m->level].length = kind;
  m->level++;
  const char *found = match(m, s, p);
  if (found == NULL) m->level--;
  return found;
}

static const char *close_capture(pattern_match *m, const char *s, const char *p) {
  int index = m->level - 1;
  while (index >= 0 && m->capture[index].length != CAPTURE_OPEN) index--;
  if (index < 0) fail(m, "invalid pattern capture");
  m->capture[index].length = s - m->capture[index].start;
  const char *found = match(m, s, p);
  if (found == NULL) m->capture[index].length = CAPTURE_OPEN;
  return found;
}

static const char *match_capture(pattern_match *m, const char *s, int digit) {
  int index = digit - '1';
  if (index < 0 || index >= m->level || m->capture[index].length == CAPTURE_OPEN) {
    luaL_error(m->L, "invalid capture index %%%d", index + 1);
  }
  ptrdiff_t length = m->capture[index].length;
  if (length == CAPTURE_POSITION || m->subject_end - s < length) return NULL;
  step(m, (unsigned)length / 16 + 1);
  return memcmp(m->capture[index].start, s, (size_t)length) == 0 ? s + length : NULL;
}

// MARK: the matcher

static const char *match_items(pattern_match *m, const char *s, const char *p) {
  while (p < m->pattern_end) {
    step(m, 1);
    switch (*p) {
      case '(':
        if (p + 1 < m->pattern_end && p[1] == ')') return open_capture(m, s, p + 2, CAPTURE_POSITION);
        return open_capture(m, s, p + 1, CAPTURE_OPEN);
      case ')': return close_capture(m, s, p + 1);
      case '$':
        if (p + 1 == m->pattern_end) return s == m->subject_end ? s : NULL;
        break;
      case '%':
        if (p + 1 == m->pattern_end) break;
        if (p[1] == 'b') {
          if ((s = match_balance(m, s, p + 2)) == NULL) return NULL;
          p += 4;
          continue;
        }
        if (p[1] == 'f') {
          if ((s = match_frontier(m, s, p + 2, &p)) == NULL) return NULL;
          continue;
        }
        if (isdigit(BYTE(p[1]))) {
          if ((s = match_capture(m, s, BYTE(p[1]))) == NULL) return NULL;
          p += 2;
          continue;
        }
        break;
      default: break;
    }
    const char *end = class_end(m, p);
    char suffix = end < m->pattern_end ? *end : '\0';
    switch (suffix) {
      case '?':
        if (takes(m, s, p, end)) {
          const char *found = match(m, s + 1, end + 1);
          if (found != NULL) return found;
        }
        p = end + 1;
        break;
      case '+': return takes(m, s, p, end) ? expand_most(m, s + 1, p, end) : NULL;
      case '*': return expand_most(m, s, p, end);
      case '-': return expand_least(m, s, p, end);
      default:
        if (!takes(m, s, p, end)) return NULL;
        s++;
        p = end;
    }
  }
  return s;
}

static const char *match(pattern_match *m, const char *s, const char *p) {
  if (++m->depth > PATTERN_DEPTH) fail(m, "pattern too complex");
  const char *found = match_items(m, s, p);
  m->depth--;
  return found;
}

// MARK: results

void pattern_push_capture(pattern_match *m, int index, const char *start, const char *end) {
  if (index >= m->level) {
    if (index != 0) luaL_error(m->L, "invalid capture index %%%d", index + 1);
    lua_pushlstring(m->L, start, (size_t)(end - start));
    return;
  }
  ptrdiff_t length = m->capture[index].length;
  if (length == CAPTURE_OPEN) fail(m, "unfinished capture");
  if (length == CAPTURE_POSITION) lua_pushinteger(m->L, m->capture[index].start - m->subject + 1);
  else lua_pushlstring(m->L, m->capture[index].start, (size_t)length);
}

int pattern_push_captures(pattern_match *m, const char *start, const char *end) {
  int count = m->level == 0 && start != NULL ? 1 : m->level;
  luaL_checkstack(m->L, count, "too many captures");
  for (int index = 0; index < count; index++) pattern_push_capture(m, index, start, end);
  return count;
}
