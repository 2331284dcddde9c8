// JSON and keys, written into a block that grows. Nothing is checked on the way: look at `is_short` of memory at the end.
#ifndef TB_OUT_H
#define TB_OUT_H
#include "state.h"

typedef struct {
  uint8_t *bytes;
  size_t size, room;
  bool is_short;
} tb_out;

// Room for so many bytes more; false where memory is short, and nothing may be written.
bool tb_out_room(tb_out *out, size_t more);
void tb_put(tb_out *out, const void *bytes, size_t size);
void tb_put_int(tb_out *out, int64_t value);
void tb_put_level(tb_out *out, int64_t value);  // TB_NONE: null
void tb_put_instant(tb_out *out, int64_t micros);
void tb_put_instant_or_null(tb_out *out, int64_t micros);
void tb_put_seconds(tb_out *out, int64_t micros);
void tb_put_double(tb_out *out, double value);  // the shortest that is read as the same
void tb_put_ints(tb_out *out, const int64_t *values, int count);
void tb_put_levels(tb_out *out, const int64_t *values, int count);
void tb_put_text(tb_out *out, const tb_texts *texts, int which);

// Hour and day as they stand in keys, of at most TB_LONGEST_WORD bytes; how long they are.
enum { TB_LONGEST_WORD = 16 };
size_t tb_hour_word(uint8_t *into, int64_t hour);
size_t tb_day_word(uint8_t *into, int64_t day);
void tb_put_activity(tb_out *out, const tb_activity *activity);

// Drops the comma that a list ends with, and closes it.
void tb_put_end(tb_out *out, char bracket);

#define TB_PUT(out, text) tb_put(out, text, sizeof(text) - 1)
#endif
