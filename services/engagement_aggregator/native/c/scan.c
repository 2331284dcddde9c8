// The common path of the fold: most records are the next snapshot of a post, much like the one before, or something new
// that is counted once.
#include <string.h>

#include "posts.h"

static const int64_t MINUTE = 60000000;

enum { DONE, FOR_PYTHON, FULL };

// The next snapshot of its post, like the one before: of the same minute, or the first of a later one. Ages of the post
// lie behind `after` and beyond `until`, so none is passed here.
static bool follows(tb_posts *posts, tb_post *post, const tb_parsed *event, int64_t at) {
  if (event->sequence <= post->sequence || event->pattern != post->pattern) return false;
  if (at <= post->after || at > post->until) return false;
  int64_t minute = at / MINUTE;
  tb_group *group = &post->group;
  if (minute < group->minute || !tb_touch(posts, post)) return false;
  if (minute > group->minute) {
    if (!tb_finish(posts, post, group)) return false;
    group->minute = minute;
  }
  if (!group->count++ || event->observed > group->at) group->at = event->observed;
  group->sequence = post->sequence = event->sequence;
  group->total = event->total;
  memcpy(group->values, event->values, sizeof group->values);
  if (event->observed > post->newest) post->newest = event->observed;
  return true;
}

// Count an item that is surely new. False where that cannot be done, and nothing has changed.
static bool counts(tb_posts *posts, tb_post *post, const tb_parsed *event, uint64_t hash, int64_t minute) {
  tb_group *items = &post->items;
  if (!tb_touch(posts, post)) return false;
  if (items->minute != minute && !tb_finish(posts, post, items)) return false;
  if (!tb_item_note(&posts->items, hash, event, minute)) {
    post->is_fresh = false;  // from now on some of its items may be unknown here
    return false;
  }
  items->minute = minute;
  items->count++;
  if (!event->deleted) {
    items->values[event->kind - TB_COMMENT]++;
    if (event->observed > items->at) items->at = event->observed;
  }
  if (event->observed > post->newest) post->newest = event->observed;
  return true;
}

// The same item again, no newer than what is known of it: at most it says when its post was seen.
static bool repeats(tb_posts *posts, tb_post *post, const tb_parsed *event, const tb_item *known, int64_t minute) {
  tb_group *items = &post->items;
  if (event->version > known->version || (event->version == known->version && event->deleted > known->deleted)) {
    return false;
  }
  if (event->observed <= post->newest) return true;
  if (!tb_touch(posts, post)) return false;
  if (items->minute != minute && !tb_finish(posts, post, items)) return false;
  items->minute = minute;
  items->count++;
  post->newest = event->observed;
  return true;
}

static void ask(const tb_posts *posts, tb_post *post, const tb_parsed *event, const uint8_t *bytes, int64_t minute,
                tb_asked *into) {
  bool moved = event->observed > post->newest;
  *into = (tb_asked){event->kind,     post - posts->posts, event->item_id.at - bytes, event->item_id.size, event->version,
                     event->deleted, minute,              event->observed,           moved};
  if (moved) post->newest = event->observed;
}

int tb_scan(tb_posts *posts, const uint8_t *bytes, const tb_record *records, int64_t count, tb_scan_state *state,
            tb_asked *asked, int64_t room) {
  tb_parsed event;
  state->asked = 0;
  for (; state->next < count; state->next++) {
    const tb_record *record = &records[state->next];
    if (record->value_size < 0) return FOR_PYTHON;
    tb_text middle, key = {bytes + record->key_at, record->key_size};
    tb_post *post = tb_guess(posts, key, &middle);
    int kind = tb_parse(bytes + record->value_at, (size_t)record->value_size, middle, &event);
    if (kind == TB_OTHER) return FOR_PYTHON;
    int64_t at = event.occurred < event.observed ? event.occurred : event.observed;
    if (at >= state->turn || at < state->open_from) return FOR_PYTHON;
    if (event.is_alike) {
      tb_name(posts, post, &event);
    } else {
      if (!(post = tb_find(posts, &event))) return FOR_PYTHON;
      tb_expect(posts, post, &event);
    }
    if (kind == TB_SNAPSHOT) {
      if (!follows(posts, post, &event, at)) return FOR_PYTHON;
    } else {
      const tb_item *known = NULL;
      uint64_t hash = tb_item_hash(&event);
      tb_known answer = tb_item_look(&posts->items, hash, &event, &known);
      if (answer == TB_PENDING) {
        if (!repeats(posts, post, &event, known, at / MINUTE)) return FOR_PYTHON;
      } else if (answer == TB_MAYBE_WRITTEN || !post->is_fresh || !counts(posts, post, &event, hash, at / MINUTE)) {
        if (state->asked == room) return FULL;
        ask(posts, post, &event, bytes, at / MINUTE, &asked[state->asked++]);
      }
    }
    if (at > state->watermark) state->watermark = at;
  }
  return DONE;
}
