// Strings and instants inside JSON. Every function stops before `end` and moves `at` only over what it accepts.
#ifndef TB_TEXT_H
#define TB_TEXT_H
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  const uint8_t *at, *end;
} tb_input;

static inline bool tb_literal(tb_input *in, const char *text, int64_t size) {
  if (in->end - in->at < size || memcmp(in->at, text, (size_t)size) != 0) return false;
  in->at += size;
  return true;
}

// The rest of a string and its closing quote: ASCII without escapes and control characters.
bool tb_plain(tb_input *in, const uint8_t **start, int64_t *size);

// The rest of a string and its closing quote: UTF-8, with the short escapes. Must refuse what is no UTF-8.
bool tb_any_text(tb_input *in);

// 2026-03-21T15:55:00Z or with six digits of a second, 1970 to 2199, as µs since the epoch.
bool tb_instant(tb_input *in, int64_t *micros);
#endif
