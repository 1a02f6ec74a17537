// Memory of one state: counts what is used and, while Lua code runs, refuses growth beyond the limit.
#include <stdlib.h>

#include "host.h"

static int refused(clua_host *h, size_t old_size, size_t new_size) {
  if (!h->enforce || new_size <= old_size) return 0;
  if (h->fail_from != 0 && ++h->allocations >= h->fail_from) return 1;
  return h->used - old_size + new_size > h->limit;
}

void *host_allocate(void *context, void *block, size_t old_size, size_t new_size) {
  clua_host *h = context;
  if (block == NULL) old_size = 0;  // Lua passes the kind of object there
  if (new_size == 0) {
    h->used -= old_size;
    free(block);
    return NULL;
  }
  if (refused(h, old_size, new_size)) {
    // Each refusal costs a full collection, which no hook interrupts. If that does not help, an error follows that
    // no message handler sees.
    host_tick(h);
    if (h->reason == CLUA_REASON_NONE) host_note_place(h->current, NULL, 0);
    return NULL;
  }
  void *moved = realloc(block, new_size);
  if (moved == NULL) return NULL;
  h->used += new_size - old_size;
  if (new_size > old_size) {
    h->volume += new_size - old_size;
    if (h->volume >= CLUA_VOLUME && h->enforce) {
      h->volume = 0;
      host_tick(h);
    }
  }
  return moved;
}
