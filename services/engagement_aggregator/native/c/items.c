#include "items.h"

#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "memory.h"

static const uint64_t FIRST_SLOTS = 1 << 12;
static const uint64_t MOST_SLOTS = 1 << 20;  // 8 MB, half of them used
static const uint32_t IN_PYTHON = UINT32_MAX;
enum { LONGEST_VALUE = 64 };

// Names of rows as keys.py makes them.
static const char *const KINDS[] = {"", "", "comment\x1f", "reply\x1f"};

bool tb_items_begin(tb_items *items) {
  items->slots = calloc(FIRST_SLOTS, sizeof *items->slots);
  items->mask = FIRST_SLOTS - 1;
  return items->slots != NULL;
}

void tb_items_end(tb_items *items) {
  free(items->slots);
  tb_pages_end(&items->pages);
}

uint64_t tb_item_hash(const tb_parsed *event) {
  const tb_text *post = &event->names[TB_POST_KEY];
  return tb_hash(tb_hash((uint64_t)event->kind, post->at, post->size), event->item_id.at, event->item_id.size);
}

static uint32_t tag_of(uint64_t hash) {
  return (uint32_t)(hash >> 32);
}

static tb_slot *slot_of(const tb_items *items, uint32_t tag) {
  uint64_t at = tag & items->mask;
  while (items->slots[at].number && items->slots[at].tag != tag) at = (at + 1) & items->mask;
  return &items->slots[at];
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size) {
  memcpy(at, bytes, size);
  return at + size;
}

static size_t key_of(const tb_parsed *event, uint8_t *into) {
  const char *kind = KINDS[event->kind];
  const tb_text *post = &event->names[TB_POST_KEY];
  uint8_t *at = put(into, kind, strlen(kind));
  at = put(at, post->at, (size_t)post->size);
  *at++ = 0x1f;
  at = put(at, event->item_id.at, (size_t)event->item_id.size);
  return (size_t)(at - into);
}

static size_t longest_key(const tb_parsed *event) {
  return 16 + (size_t)event->names[TB_POST_KEY].size + (size_t)event->item_id.size;
}

tb_known tb_item_look(const tb_items *items, uint64_t hash, const tb_parsed *event, const tb_item **item) {
  const tb_slot *slot = slot_of(items, tag_of(hash));
  if (!slot->number) return TB_NEW;
  if (slot->number == IN_PYTHON || (int64_t)slot->number <= items->written) return TB_MAYBE_WRITTEN;
  const tb_page *page = tb_page_of(&items->pages, slot->number);
  const tb_item *found = &page->items[(int64_t)slot->number - page->first];
  // Of two ids with one hash Python decides.
  size_t kind = strlen(KINDS[event->kind]), post = (size_t)event->names[TB_POST_KEY].size;
  const uint8_t *key = page->rows + found->row_at;
  size_t key_size = (size_t)page->sizes[found - page->items][0];
  if (key_size != kind + post + 1 + (size_t)event->item_id.size) return TB_MAYBE_WRITTEN;
  if (memcmp(key, KINDS[event->kind], kind) || memcmp(key + kind, event->names[TB_POST_KEY].at, post) ||
      memcmp(key + kind + post + 1, event->item_id.at, (size_t)event->item_id.size)) {
    return TB_MAYBE_WRITTEN;
  }
  *item = found;
  return TB_PENDING;
}

static bool grow(tb_items *items) {
  uint64_t size = (items->mask + 1) * 2;
  if (size > MOST_SLOTS) return false;
  tb_slot *old = items->slots, *slots = calloc(size, sizeof *slots);
  if (!slots) return false;
  uint64_t count = items->mask + 1;
  items->slots = slots;
  items->mask = size - 1;
  for (uint64_t at = 0; at < count; at++) {
    if (old[at].number) *slot_of(items, old[at].tag) = old[at];
  }
  free(old);
  return true;
}

static bool enter(tb_items *items, uint64_t hash, int64_t number) {
  if (items->is_full || (items->used * 2 > items->mask && !grow(items))) {
    items->is_full = true;
    return false;
  }
  tb_slot *slot = slot_of(items, tag_of(hash));
  items->used += !slot->number;
  *slot = (tb_slot){tag_of(hash), (uint32_t)number};
  return true;
}

bool tb_item_note(tb_items *items, uint64_t hash, const tb_parsed *event, int64_t minute) {
  tb_page *page = tb_page_for(&items->pages, longest_key(event) + LONGEST_VALUE);
  if (!page) return false;
  if (items->last + 1 == IN_PYTHON) items->is_full = true;  // numbers have run out
  if (!enter(items, hash, items->last + 1)) return false;
  items->last++;
  if (!page->count) page->first = items->last;
  uint8_t *row = page->rows + page->size;
  size_t key = key_of(event, row);
  int value = snprintf((char *)row + key, LONGEST_VALUE, "[\"item\",%lld,%s,%lld]", (long long)event->version,
                       event->deleted ? "true" : "false", (long long)minute);
  page->items[page->count] = (tb_item){event->version, minute, (uint32_t)page->size, event->deleted};
  page->sizes[page->count][0] = (int32_t)key;
  page->sizes[page->count++][1] = value;
  page->size += (int64_t)key + value;
  return true;
}

bool tb_item_remember(tb_items *items, uint64_t hash) {
  return enter(items, hash, IN_PYTHON);
}

bool tb_items_drop(tb_items *items) {
  tb_pages_drop_staged(&items->pages);
  items->written = items->staged;
  if (!items->is_full || items->last > items->staged) return false;
  memset(items->slots, 0, (items->mask + 1) * sizeof *items->slots);
  items->used = 0;
  items->last = items->staged = items->written = 0;
  items->is_full = false;
  return true;
}
