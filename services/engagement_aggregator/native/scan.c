// The common path of the fold: most records are the next snapshot of a post, much like the one before, or a comment.
#include "posts.h"

#include <string.h>

static const int64_t MINUTE = 60000000;

enum { DONE, FOR_PYTHON, FULL };

static void take(tb_post *post, const tb_parsed *event) {
  tb_group *group = &post->group;
  if (!group->count++ || event->observed > group->at) group->at = event->observed;
  group->sequence = post->sequence = event->sequence;
  group->total = event->total;
  memcpy(group->values, event->values, sizeof group->values);
  if (event->observed > post->newest) post->newest = event->observed;
}

// The next snapshot of its post, like the one before: of the same minute, or the first of a later one. Ages of the post
// lie behind `after` and beyond `until`, so none is passed here.
static bool follows(tb_posts *posts, tb_post *post, const tb_parsed *event, int64_t at) {
  if (event->sequence <= post->sequence || event->pattern != post->pattern) return false;
  if (at <= post->after || at > post->until) return false;
  int64_t minute = at / MINUTE;
  if (minute < post->group.minute) return false;
  if (minute > post->group.minute) {
    if (!tb_finish(posts, post)) return false;
    post->group.minute = minute;
  }
  take(post, event);
  return true;
}

static void note(tb_posts *posts, tb_post *post, const tb_parsed *event, int64_t at, const uint8_t *bytes,
                 tb_comment *into) {
  into->post = post - posts->posts;
  into->id_at = event->comment_id.at - bytes;
  into->id_size = event->comment_id.size;
  into->version = event->version;
  into->deleted = event->deleted;
  into->minute = at / MINUTE;
  into->seen = event->observed;
  into->moved = event->observed > post->newest;
  if (into->moved) post->newest = event->observed;
}

int tb_scan(tb_posts *posts, const uint8_t *bytes, const tb_record *records, int64_t count, tb_scan_state *state,
            tb_comment *comments, int64_t room) {
  tb_parsed event;
  state->comments = 0;
  for (; state->next < count; state->next++) {
    const tb_record *record = &records[state->next];
    if (record->value_size < 0) return FOR_PYTHON;
    int kind = tb_parse(bytes + record->value_at, (size_t)record->value_size, &event);
    if (kind == TB_OTHER) return FOR_PYTHON;
    int64_t at = event.occurred < event.observed ? event.occurred : event.observed;
    tb_post *post = at < state->turn && at >= state->open_from ? tb_find(posts, &event) : NULL;
    if (!post) return FOR_PYTHON;
    if (kind == TB_SNAPSHOT) {
      if (!follows(posts, post, &event, at)) return FOR_PYTHON;
    } else {
      if (state->comments == room) return FULL;
      note(posts, post, &event, at, bytes, &comments[state->comments++]);
    }
    if (at > state->watermark) state->watermark = at;
  }
  return DONE;
}
