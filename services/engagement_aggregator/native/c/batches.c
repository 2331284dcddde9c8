#include <string.h>

#include "native.h"

// Records as Kafka's format 2 has them: no timestamps and headers of their own, null as a size of -1.
enum { ATTRIBUTES_AND_TIMESTAMP = 2, NO_HEADERS = 1 };

int64_t tb_rows_size(const int32_t *sizes, int64_t rows) {
  int64_t size = 0;
  for (int64_t row = 0; row < rows; row++) {
    int32_t key = sizes[2 * row], value = sizes[2 * row + 1];
    if (key < 0 || value < -1) return -1;
    size += (int64_t)key + (value < 0 ? 0 : value);
  }
  return size;
}

static uint64_t zigzag(int64_t number) {
  return ((uint64_t)number << 1) ^ (uint64_t)(number >> 63);
}

static int64_t width(int64_t number) {
  int64_t bytes = 1;
  for (uint64_t left = zigzag(number) >> 7; left; left >>= 7) bytes++;
  return bytes;
}

static uint8_t *put_number(uint8_t *at, int64_t number) {
  uint64_t left = zigzag(number);
  for (; left > 0x7f; left >>= 7) *at++ = (uint8_t)(left | 0x80);
  *at++ = (uint8_t)left;
  return at;
}

static uint8_t *put_bytes(uint8_t *at, const uint8_t *bytes, int32_t size) {
  at = put_number(at, size);
  if (size <= 0) return at;
  memcpy(at, bytes, (size_t)size);
  return at + size;
}

static int64_t body_of(int64_t number, int32_t key, int32_t value) {
  int64_t bytes = (int64_t)key + (value < 0 ? 0 : value);
  return ATTRIBUTES_AND_TIMESTAMP + width(number) + width(key) + width(value) + bytes + NO_HEADERS;
}

void tb_batch_plan(const int32_t *sizes, int64_t rows, int64_t largest, tb_batch *batch) {
  for (; batch->row < rows; batch->row++) {
    int32_t key = sizes[2 * batch->row], value = sizes[2 * batch->row + 1];
    int64_t body = body_of(batch->count, key, value), size = batch->size + width(body) + body;
    if (batch->count && size > largest) return;
    batch->size = size;
    batch->count++;
    batch->at += (int64_t)key + (value < 0 ? 0 : value);
  }
}

int64_t tb_batch_write(const uint8_t *block, const int32_t *sizes, int64_t rows, int64_t number, uint8_t *into,
                       int64_t room) {
  uint8_t *at = into;
  for (int64_t row = 0; row < rows; row++, number++) {
    int32_t key = sizes[2 * row], value = sizes[2 * row + 1];
    int64_t body = body_of(number, key, value);
    if (width(body) + body > room - (at - into)) return -1;
    at = put_number(at, body);
    *at++ = 0;
    *at++ = 0;
    at = put_number(at, number);
    at = put_bytes(at, block, key);
    at = put_bytes(at, block + key, value);
    *at++ = 0;
    block += (int64_t)key + (value < 0 ? 0 : value);
  }
  return at - into;
}
