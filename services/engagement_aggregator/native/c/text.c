#include "text.h"

// Eight bytes at a time: whether one of them ends a plain run, which is a quote, a backslash, a control character or
// anything beyond ASCII.
static inline uint64_t ends_plain(uint64_t word) {
  const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
  uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
  uint64_t found = (quote - ones) & ~quote;
  found |= (slash - ones) & ~slash;
  found |= (word - ones * 0x20) & ~word;
  return (found | word) & high;
}

static inline const uint8_t *plain_run(const uint8_t *at, const uint8_t *end) {
  while (end - at >= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    if (ends_plain(word)) break;
    at += 8;
  }
  while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') at++;
  return at;
}

bool tb_plain(tb_input *in, const uint8_t **start, int64_t *size) {
  const uint8_t *at = plain_run(in->at, in->end);
  if (at == in->end || *at != '"') return false;
  *start = in->at;
  *size = at - in->at;
  in->at = at + 1;
  return true;
}

static inline bool follows(uint8_t byte) {
  return (byte & 0xc0) == 0x80;
}

// One character beyond ASCII; NULL if it is no well-formed UTF-8 (Unicode 15, table 3-7).
static const uint8_t *wide(const uint8_t *at, const uint8_t *end) {
  uint8_t lead = at[0];
  int64_t left = end - at;
  if (lead >= 0xc2 && lead <= 0xdf) return left >= 2 && follows(at[1]) ? at + 2 : NULL;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (left < 3 || !follows(at[1]) || !follows(at[2])) return NULL;
    if ((lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f)) return NULL;
    return at + 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (left < 4 || !follows(at[1]) || !follows(at[2]) || !follows(at[3])) return NULL;
    if ((lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f)) return NULL;
    return at + 4;
  }
  return NULL;
}

bool tb_any_text(tb_input *in) {
  const uint8_t *at = in->at;
  for (;;) {
    at = plain_run(at, in->end);
    if (at == in->end) return false;
    if (*at == '"') {
      in->at = at + 1;
      return true;
    }
    if (*at == '\\') {
      if (in->end - at < 2 || !strchr("\"\\/bfnrt", at[1]) || !at[1]) return false;
      at += 2;
    } else if (*at < 0x80 || !(at = wide(at, in->end))) {
      return false;
    }
  }
}

static inline bool number(const uint8_t *at, int size, int64_t *value) {
  int64_t found = 0;
  for (int place = 0; place < size; place++) {
    if ((uint8_t)(at[place] - '0') >= 10) return false;
    found = found * 10 + (at[place] - '0');
  }
  *value = found;
  return true;
}

// Days since the epoch of a date of the Gregorian calendar, after H. Hinnant, "chrono-Compatible Low-Level Date
// Algorithms", days_from_civil.
static int64_t days(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = year / 400, of_era = year - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t length_of(int64_t year, int64_t month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool tb_instant(tb_input *in, int64_t *micros) {
  const uint8_t *at = in->at;
  int64_t year, month, day, hour, minute, second, fraction = 0, left = in->end - at, size = 20;
  if (left < size || at[4] != '-' || at[7] != '-' || at[10] != 'T' || at[13] != ':' || at[16] != ':') return false;
  if (!number(at, 4, &year) || !number(at + 5, 2, &month) || !number(at + 8, 2, &day)) return false;
  if (!number(at + 11, 2, &hour) || !number(at + 14, 2, &minute) || !number(at + 17, 2, &second)) return false;
  if (year < 1970 || year > 2199 || month < 1 || month > 12 || day < 1 || day > length_of(year, month)) return false;
  if (hour > 23 || minute > 59 || second > 59) return false;
  if (at[19] == '.') {
    size = 27;
    if (left < size || !number(at + 20, 6, &fraction)) return false;
  }
  if (at[size - 1] != 'Z') return false;
  *micros = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60000000 + second * 1000000 + fraction;
  in->at += size;
  return true;
}
