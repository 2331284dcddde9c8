// Comments and replies that were counted here and are not on disk yet, and a memory of those that are.
#ifndef TB_ITEMS_H
#define TB_ITEMS_H
#include "event.h"
#include "pages.h"

typedef struct {
  uint32_t tag;     // half of the item's hash: two items may have one, then Python decides
  uint32_t number;  // of the item, from 1; 0: no entry
} tb_slot;

typedef struct {
  tb_slot *slots;
  uint64_t mask, used;
  bool is_full;  // then nothing new is remembered before everything is written
  tb_pages pages;
  int64_t last, staged, written;  // numbers: of the newest item, of the last one a flush has, of the last one on disk
} tb_items;

bool tb_items_begin(tb_items *items);
void tb_items_end(tb_items *items);

uint64_t tb_item_hash(const tb_parsed *event);

typedef enum { TB_NEW, TB_PENDING, TB_MAYBE_WRITTEN } tb_known;

// What is known of the item of an event; `item` is set where it is pending.
tb_known tb_item_look(const tb_items *items, uint64_t hash, const tb_parsed *event, const tb_item **item);

// Note a new item; false where there is no more room, and nothing has changed but that this is known from now on.
bool tb_item_note(tb_items *items, uint64_t hash, const tb_parsed *event, int64_t minute);

// Remember an item that Python keeps; false as above.
bool tb_item_remember(tb_items *items, uint64_t hash);

// What was staged is on disk. True if everything has been forgotten because there was no more room.
bool tb_items_drop(tb_items *items);
#endif
