/* libyaml for Swift: the parts of an event and of a parser's complaint, which lie in unions that Swift reads only through
   copies. Nothing else lives here. */
#pragma once
#include <yaml.h>

/* What an alias names, or null. */
static inline const char *lp_yaml_anchor(const yaml_event_t *event) {
  switch (event->type) {
    case YAML_ALIAS_EVENT: return (const char *)event->data.alias.anchor;
    case YAML_SCALAR_EVENT: return (const char *)event->data.scalar.anchor;
    case YAML_SEQUENCE_START_EVENT: return (const char *)event->data.sequence_start.anchor;
    case YAML_MAPPING_START_EVENT: return (const char *)event->data.mapping_start.anchor;
    default: return NULL;
  }
}

static inline const unsigned char *lp_yaml_scalar(const yaml_event_t *event, size_t *length) {
  *length = event->data.scalar.length;
  return event->data.scalar.value;
}

/* Written without quotes, so that it may be a number. */
static inline int lp_yaml_is_plain(const yaml_event_t *event) {
  return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Of a scalar; null where none is written. */
static inline const char *lp_yaml_tag(const yaml_event_t *event) { return (const char *)event->data.scalar.tag; }
