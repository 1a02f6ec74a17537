/* libcurl for Swift: curl_easy_setopt and its kin are variadic, which Swift cannot import. One wrapper for each type of
   argument, and one for each type of callback, so that the compiler checks what is passed. Nothing else lives here. */
#pragma once
#include <curl/curl.h>

static inline CURLcode lp_curl_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode lp_curl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}

/* libcurl copies the text. */
static inline CURLcode lp_curl_set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

/* libcurl copies the bytes. */
static inline CURLcode lp_curl_set_blob(CURL *easy, CURLoption option, const void *bytes, size_t length) {
  struct curl_blob blob = {.data = (void *)bytes, .len = length, .flags = CURL_BLOB_COPY};
  return curl_easy_setopt(easy, option, &blob);
}

/* libcurl keeps the pointer. */
static inline CURLcode lp_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}

/* libcurl keeps the list; free it after the handle. */
static inline CURLcode lp_curl_set_headers(CURL *easy, struct curl_slist *list) {
  return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

/* libcurl keeps the list; free it after the handle. */
static inline CURLcode lp_curl_set_connect_to(CURL *easy, struct curl_slist *list) {
  return curl_easy_setopt(easy, CURLOPT_CONNECT_TO, list);
}

/* For CURLOPT_WRITEFUNCTION and CURLOPT_HEADERFUNCTION. */
static inline CURLcode lp_curl_set_write(CURL *easy, CURLoption option, curl_write_callback callback) {
  return curl_easy_setopt(easy, option, callback);
}

static inline CURLcode lp_curl_set_read(CURL *easy, curl_read_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_READFUNCTION, callback);
}

static inline CURLcode lp_curl_set_seek(CURL *easy, curl_seek_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, callback);
}

static inline CURLMcode lp_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

/* 0 when libcurl does not know. */
static inline long lp_curl_long(CURL *easy, CURLINFO info) {
  long value = 0;
  (void)curl_easy_getinfo(easy, info, &value);
  return value;
}

static inline curl_off_t lp_curl_size(CURL *easy, CURLINFO info) {
  curl_off_t value = 0;
  (void)curl_easy_getinfo(easy, info, &value);
  return value;
}

/* The result of a finished transfer; it is a union member of the message. */
static inline CURLcode lp_curl_result(const CURLMsg *message) { return message->data.result; }

static inline int lp_curl_is_done(const CURLMsg *message) { return message->msg == CURLMSG_DONE; }
