// The posts that are open in Python, by post_key, with what may follow the last snapshot of each.
#ifndef TB_POSTS_H
#define TB_POSTS_H
#include "event.h"

typedef struct {
  uint64_t hash;
  size_t names_at;  // in the arena of names
  int32_t sizes[TB_NAMES];
  int64_t sequence, newest;
  int64_t pattern, after, until;  // pattern < 0: Python takes the next snapshot
  tb_group group;                 // count 0: none yet in this minute
  int64_t first, last;            // finished groups, by number; -1: none
} tb_post;

struct tb_posts {
  tb_post *posts;
  int64_t count, room;
  int64_t *slots;  // number of a post + 1, by hash
  uint64_t mask;
  uint8_t *names;
  size_t names_size, names_room;
  tb_group *groups;  // `next` of each stands in `following`
  int64_t *following;
  int64_t groups_count, groups_room;
};

// The post that an event names, all seven names alike; NULL if it is not open or is named otherwise.
tb_post *tb_find(tb_posts *posts, const tb_parsed *event);

// Put the group of this minute to the finished ones; false where memory is short, and nothing has changed.
bool tb_finish(tb_posts *posts, tb_post *post);
#endif
