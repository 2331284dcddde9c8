// Rows of comments and replies, where they stay until nobody holds them any more.
#ifndef TB_PAGES_H
#define TB_PAGES_H
#include <stdbool.h>

#include "native.h"

enum { TB_PAGE_ITEMS = 2048, TB_PAGE_BYTES = 1 << 17 };

typedef struct {
  int64_t version, minute;
  uint32_t row_at;  // key and value, as they go to the changelog
  bool deleted;
} tb_item;

struct tb_page {
  int32_t holders;
  int64_t first, count, size;  // first: number of its first item
  tb_item items[TB_PAGE_ITEMS];
  int32_t sizes[TB_PAGE_ITEMS][2];
  uint8_t rows[TB_PAGE_BYTES];
};

typedef struct {
  tb_page **pages;
  size_t count, room;
  size_t staged;  // how many of them a flush has already; these are not filled any further
} tb_pages;

// The page for one more row of up to `longest` bytes; NULL where memory is short, and nothing has changed.
tb_page *tb_page_for(tb_pages *pages, size_t longest);

// The page of an item by its number, which is on one of them.
tb_page *tb_page_of(const tb_pages *pages, int64_t number);

// Let go of those that a flush has, or of all.
void tb_pages_drop_staged(tb_pages *pages);
void tb_pages_end(tb_pages *pages);
#endif
