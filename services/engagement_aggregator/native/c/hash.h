// A fast 64-bit hash for tables in memory. Not for hostile keys: whoever finds collisions only makes a table slower.
#ifndef TB_HASH_H
#define TB_HASH_H
#include <stdint.h>
#include <string.h>

static inline uint64_t tb_hash(uint64_t seed, const uint8_t *bytes, int64_t size) {
  uint64_t hash = seed ^ 0x9e3779b97f4a7c15u ^ (uint64_t)size, word = 0;
  for (; size >= 8; bytes += 8, size -= 8) {
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  word = 0;
  memcpy(&word, bytes, (size_t)size);
  hash = (hash ^ word) * 0xff51afd7ed558ccdu;
  hash ^= hash >> 29;
  hash *= 0xc4ceb9fe1a85ec53u;
  return hash ^ hash >> 32;
}
#endif
