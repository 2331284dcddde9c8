// Blocks that grow.
#ifndef TB_MEMORY_H
#define TB_MEMORY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

// Room for `needed` items in all; false where memory is short, and nothing has changed.
static inline bool tb_reserve(void **block, size_t *room, size_t needed, size_t item) {
  if (needed <= *room) return true;
  size_t larger = *room + *room / 2 + 256;
  if (larger < needed) larger = needed;
  void *moved = realloc(*block, larger * item);
  if (!moved) return false;
  *block = moved;
  *room = larger;
  return true;
}

// The same for blocks of which there are many small ones.
static inline bool tb_reserve_few(void **block, size_t *room, size_t needed, size_t item) {
  if (needed <= *room) return true;
  size_t larger = *room ? *room + *room / 2 : 1;
  if (larger < needed) larger = needed;
  void *moved = realloc(*block, larger * item);
  if (!moved) return false;
  *block = moved;
  *room = larger;
  return true;
}
#endif
