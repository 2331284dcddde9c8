// The records of a broker batch (format 2), told apart without an object per record.
#include "native.h"

// A varint in zigzag; NULL where the bytes end or it is longer than ten.
static const uint8_t *varint(const uint8_t *at, const uint8_t *end, int64_t *value) {
  uint64_t raw = 0;
  for (int shift = 0; shift < 64 && at < end; shift += 7) {
    uint8_t byte = *at++;
    raw |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
      return at;
    }
  }
  return NULL;
}

// A length and what it counts; NULL where that is not all there.
static const uint8_t *sized(const uint8_t *base, const uint8_t *at, const uint8_t *end, int32_t *start, int32_t *size) {
  int64_t length;
  if (!(at = varint(at, end, &length)) || length < -1 || length > end - at) return NULL;
  *start = (int32_t)(at - base);
  *size = (int32_t)length;
  return length < 0 ? at : at + length;
}

int64_t tb_records(const uint8_t *bytes, size_t size, int64_t base_offset, int64_t count, tb_record *into) {
  if (size > INT32_MAX) return -1;
  const uint8_t *at = bytes, *end = bytes + size;
  for (int64_t number = 0; number < count; number++) {
    tb_record *record = &into[number];
    int64_t length, time, offset;
    if (!(at = varint(at, end, &length)) || length < 1 || length > end - at) return -1;
    const uint8_t *record_end = at + length;
    at++;  // attributes: none are defined
    if (!(at = varint(at, record_end, &time)) || !(at = varint(at, record_end, &offset))) return -1;
    if (!(at = sized(bytes, at, record_end, &record->key_at, &record->key_size))) return -1;
    if (!(at = sized(bytes, at, record_end, &record->value_at, &record->value_size))) return -1;
    record->offset = base_offset + offset;
    at = record_end;  // headers
  }
  return count;
}
