// Small pieces of text, without a C library.
#ifndef SHIM_TEXT_H
#define SHIM_TEXT_H

// The compiler may call these two by itself.
void *memset(void *to, int byte, unsigned long size) {
  char *out = to;
  while (size--) *out++ = (char)byte;
  return to;
}
void *memcpy(void *to, const void *from, unsigned long size) {
  char *out = to;
  const char *in = from;
  while (size--) *out++ = *in++;
  return to;
}

static int is_same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

static int starts_with(const char *text, const char *prefix) {
  while (*prefix)
    if (*text++ != *prefix++) return 0;
  return 1;
}

// The whole number at the start of `text`; 0 where there is none.
static long long number(const char *text) {
  long long value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

// A record under construction. What does not fit is left out.
struct record {
  char bytes[256];
  unsigned long size;
};

static void put(struct record *out, const char *text) {
  while (*text && out->size < sizeof out->bytes) out->bytes[out->size++] = *text++;
}

static void put_number(struct record *out, const char *name, long long value) {
  char digits[24];
  char *at = digits + sizeof digits - 1;
  *at = 0;
  unsigned long long rest = value < 0 ? 0 : (unsigned long long)value;
  do *--at = (char)('0' + rest % 10);
  while (rest /= 10);
  put(out, name);
  put(out, at);
}

#endif
