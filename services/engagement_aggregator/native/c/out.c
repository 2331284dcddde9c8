#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t SECOND = 1000000, DAY_SECONDS = 86400;
enum { LONGEST_NUMBER = 32, LONGEST_INSTANT = 40 };

bool tb_out_room(tb_out *out, size_t more) {
  if (out->size + more <= out->room) return true;
  size_t larger = out->room + out->room / 2 + more + 4096;
  uint8_t *moved = out->is_short ? NULL : realloc(out->bytes, larger);
  if (!moved) {
    out->is_short = true;
    return false;
  }
  out->bytes = moved;
  out->room = larger;
  return true;
}

void tb_put(tb_out *out, const void *bytes, size_t size) {
  if (!size || !tb_out_room(out, size)) return;
  memcpy(out->bytes + out->size, bytes, size);
  out->size += size;
}

void tb_put_int(tb_out *out, int64_t value) {
  char digits[LONGEST_NUMBER], *at = digits + sizeof digits;
  uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
  do *--at = (char)('0' + left % 10);
  while (left /= 10);
  if (value < 0) *--at = '-';
  tb_put(out, at, (size_t)(digits + sizeof digits - at));
}

void tb_put_level(tb_out *out, int64_t value) {
  if (value == TB_NONE) TB_PUT(out, "null");
  else tb_put_int(out, value);
}

static uint8_t *padded(uint8_t *at, int64_t value, int digits) {
  for (int place = digits; place--; value /= 10) at[place] = (uint8_t)('0' + value % 10);
  return at + digits;
}

// Year, month and day of a day since the epoch (Howard Hinnant's algorithm).
static uint8_t *date(uint8_t *at, int64_t day) {
  day += 719468;
  int64_t era = day / 146097, of_era = day % 146097;
  int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year + year / 4 - year / 100), part = (5 * of_year + 2) / 153;
  int64_t month = part < 10 ? part + 3 : part - 9;
  at = padded(at, year + era * 400 + (month <= 2), 4);
  *at++ = '-';
  at = padded(at, month, 2);
  *at++ = '-';
  return padded(at, of_year - (153 * part + 2) / 5 + 1, 2);
}

void tb_put_instant(tb_out *out, int64_t micros) {
  if (!tb_out_room(out, LONGEST_INSTANT)) return;
  int64_t seconds = micros / SECOND, rest = micros % SECOND, of_day = seconds % DAY_SECONDS;
  uint8_t *at = out->bytes + out->size;
  *at++ = '"';
  at = date(at, seconds / DAY_SECONDS);
  *at++ = 'T';
  at = padded(at, of_day / 3600, 2);
  *at++ = ':';
  at = padded(at, of_day / 60 % 60, 2);
  *at++ = ':';
  at = padded(at, of_day % 60, 2);
  if (rest) {
    *at++ = '.';
    at = padded(at, rest, 6);
  }
  *at++ = 'Z';
  *at++ = '"';
  out->size = (size_t)(at - out->bytes);
}

void tb_put_instant_or_null(tb_out *out, int64_t micros) {
  if (micros == TB_NONE) TB_PUT(out, "null");
  else tb_put_instant(out, micros);
}

void tb_put_seconds(tb_out *out, int64_t micros) {
  uint8_t digits[6];
  tb_put_int(out, micros / SECOND);
  padded(digits, micros % SECOND, 6);
  int size = 6;
  while (size > 1 && digits[size - 1] == '0') size--;
  TB_PUT(out, ".");
  tb_put(out, digits, (size_t)size);
}

void tb_put_double(tb_out *out, double value) {
  char text[LONGEST_NUMBER];
  int size = 0;
  for (int digits = 15; digits <= 17; digits++) {
    size = snprintf(text, sizeof text, "%.*g", digits, value);
    if (digits == 17 || strtod(text, NULL) == value) break;
  }
  tb_put(out, text, (size_t)size);
  if (!strpbrk(text, ".e")) TB_PUT(out, ".0");
}

void tb_put_ints(tb_out *out, const int64_t *values, int count) {
  TB_PUT(out, "[");
  for (int at = 0; at < count; at++) {
    tb_put_int(out, values[at]);
    TB_PUT(out, ",");
  }
  tb_put_end(out, ']');
}

void tb_put_levels(tb_out *out, const int64_t *values, int count) {
  TB_PUT(out, "[");
  for (int at = 0; at < count; at++) {
    tb_put_level(out, values[at]);
    TB_PUT(out, ",");
  }
  tb_put_end(out, ']');
}

void tb_put_text(tb_out *out, const tb_texts *texts, int which) {
  size_t size;
  const uint8_t *text = tb_text_of(texts, which, &size);
  tb_put(out, text, size);
}

size_t tb_day_word(uint8_t *into, int64_t day) {
  return (size_t)(date(into, day) - into);
}

size_t tb_hour_word(uint8_t *into, int64_t hour) {
  uint8_t *at = date(into, hour / 24);
  *at++ = 'T';
  at = padded(at, hour % 24, 2);
  *at++ = 'Z';
  return (size_t)(at - into);
}

void tb_put_activity(tb_out *out, const tb_activity *activity) {
  TB_PUT(out, "{");
  for (size_t at = 0; at < activity->count; at++) {
    int64_t hour = activity->hours[at].hour;
    uint8_t word[] = {'"', 0, '-', 0, 0, '"', ':'};
    padded(word + 1, hour / 24 + 1, 1);
    padded(word + 3, hour % 24, 2);
    tb_put(out, word, sizeof word);
    tb_put_int(out, activity->hours[at].count);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
}

void tb_put_end(tb_out *out, char bracket) {
  if (!tb_out_room(out, 1)) return;
  if (out->bytes[out->size - 1] == ',') out->size--;
  out->bytes[out->size++] = (uint8_t)bracket;
}
