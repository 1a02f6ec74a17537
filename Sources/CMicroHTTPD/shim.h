/* libmicrohttpd for Swift: functions with variable arguments and unions, which Swift cannot import, get plain names.
   Nothing else lives here. */
#pragma once
#include <microhttpd.h>

/* Is given the target of a request, as it was sent, before its query is taken apart. */
typedef void *(*lp_mhd_target)(void *context, const char *target, struct MHD_Connection *connection);

/* One callback interface for the whole daemon; `context` is handed to each of them. */
struct lp_mhd_callbacks {
  MHD_AccessHandlerCallback access;
  lp_mhd_target target;
  MHD_RequestCompletedCallback completed;
  MHD_NotifyConnectionCallback connection;
  void *context;
};

/* Keeps escapes in paths and queries as they were sent. Left to itself libmicrohttpd decodes in place, after which
   "%2F" cannot be told from "/" and "%00" ends the text. */
static inline size_t lp_mhd_keep_escapes(void *context, struct MHD_Connection *connection, char *text) {
  (void)context;
  (void)connection;
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

/* Starts a daemon that is given its sockets by MHD_add_connection. MHD_start_daemon is variadic. */
static inline struct MHD_Daemon *lp_mhd_start(const struct lp_mhd_callbacks *callbacks, unsigned int threads,
                                              unsigned int connections, unsigned int idle_seconds,
                                              size_t connection_memory) {
  struct MHD_OptionItem pool[] = {
      {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL},
      {MHD_OPTION_END, 0, NULL},
  };
  /* A pool of one is refused; without the option there is one thread. */
  if (threads < 2) pool[0].option = MHD_OPTION_END;
  return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL,
                          NULL, callbacks->access, callbacks->context,
                          MHD_OPTION_URI_LOG_CALLBACK, callbacks->target, callbacks->context,
                          MHD_OPTION_NOTIFY_COMPLETED, callbacks->completed, callbacks->context,
                          MHD_OPTION_NOTIFY_CONNECTION, callbacks->connection, callbacks->context,
                          MHD_OPTION_UNESCAPE_CALLBACK, lp_mhd_keep_escapes, NULL,
                          MHD_OPTION_CONNECTION_LIMIT, connections,
                          MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory,
                          MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
}

/* MHD_get_connection_info is variadic and returns a union. -1 when there is no socket. */
static inline int lp_mhd_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

/* What the notify callback stored for the connection, or NULL. */
static inline void *lp_mhd_socket_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* Bytes of the request line and the header fields. */
static inline size_t lp_mhd_header_size(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info == NULL ? 0 : info->header_size;
}

/* Header fields, cookies and query items: each is an entry in the index of the request. */
static inline int lp_mhd_entries(struct MHD_Connection *connection) {
  return MHD_get_connection_values_n(
      connection, (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_COOKIE_KIND | MHD_GET_ARGUMENT_KIND), NULL, NULL);
}

/* Hands every header field and query item to `each`. Swift knows the kinds as a closed set and cannot join two. */
static inline int lp_mhd_values(struct MHD_Connection *connection, MHD_KeyValueIteratorN each, void *context) {
  return MHD_get_connection_values_n(connection, (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND), each,
                                     context);
}
