// What Python asks about comments and replies, and takes of them.
#include "posts.h"

static tb_parsed named(const tb_posts *posts, int64_t number, int64_t kind, const uint8_t *id, int64_t size) {
  const tb_post *post = &posts->posts[number];
  tb_parsed event = {.kind = (int)kind, .item_id = {id, size}};
  event.names[TB_POST_KEY] = (tb_text){posts->names + post->names_at, post->sizes[TB_POST_KEY]};
  return event;
}

int tb_item_find(tb_posts *posts, int64_t post, int64_t kind, const uint8_t *id, int64_t size, int64_t into[3]) {
  tb_parsed event = named(posts, post, kind, id, size);
  const tb_item *item;
  if (tb_item_look(&posts->items, tb_item_hash(&event), &event, &item) != TB_PENDING) return 0;
  into[0] = item->version;
  into[1] = item->deleted;
  into[2] = item->minute;
  return 1;
}

void tb_item_kept(tb_posts *posts, int64_t post, int64_t kind, const uint8_t *id, int64_t size) {
  tb_parsed event = named(posts, post, kind, id, size);
  const tb_item *item;
  uint64_t hash = tb_item_hash(&event);
  if (tb_item_look(&posts->items, hash, &event, &item) != TB_NEW) return;
  if (!tb_item_remember(&posts->items, hash)) posts->posts[post].is_fresh = false;
}

int64_t tb_items_staged(tb_posts *posts, tb_staged *into, int64_t room) {
  tb_items *items = &posts->items;
  int64_t told = 0;
  for (; told < room && items->pages.staged < items->pages.count; told++) {
    tb_page *page = items->pages.pages[items->pages.staged++];
    page->holders++;
    items->staged += page->count;
    into[told] = (tb_staged){page, page->rows, page->sizes[0], page->size, page->count};
  }
  return told;
}

int64_t tb_items_waiting(const tb_posts *posts) {
  return posts->items.last - posts->items.staged;
}

void tb_items_written(tb_posts *posts) {
  if (!tb_items_drop(&posts->items)) return;
  for (size_t number = 0; number < posts->count; number++) posts->posts[number].is_fresh = false;
}
