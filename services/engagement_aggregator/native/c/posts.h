// The posts that are open in Python, by post_key, with what may follow the last snapshot of each.
#ifndef TB_POSTS_H
#define TB_POSTS_H
#include "items.h"
#include "state.h"

typedef struct {
  uint64_t hash;
  size_t names_at;  // in the arena of names
  int32_t sizes[TB_NAMES];
  size_t middle_at;               // in the arena as well
  int64_t middle_size, middle_room;
  int64_t sequence, newest;
  int64_t pattern, after, until;  // pattern < 0: Python takes the next snapshot
  tb_group group, items;          // count 0: none yet in this minute
  int64_t first, last;            // finished groups, by number; -1: none
  bool is_fresh;                  // every item of it is known to `items`
  bool is_touched;
} tb_post;

struct tb_posts {
  tb_post *posts;
  size_t count, room;
  int64_t *slots;  // number of a post + 1, by hash
  uint64_t mask;
  uint8_t *names;
  size_t names_size, names_room;
  tb_group *groups;  // `next` of each stands in `following`
  int64_t *following;
  size_t groups_count, groups_room;
  int64_t *touched;
  size_t touched_count, touched_room;
  tb_items items;
  tb_post_state *states;  // of the posts, by their numbers
  size_t states_room;
  tb_total *totals;
  size_t totals_count, totals_room;
};

// The post that an event names, all seven names alike; NULL if it is not open or is named otherwise.
tb_post *tb_find(tb_posts *posts, const tb_parsed *event);

// The post of a record's key, which is a guess, and the middle of its last event; NULL for none.
tb_post *tb_guess(tb_posts *posts, tb_text key, tb_text *middle);

// Name in an event what its middle says, which was the expected one.
void tb_name(const tb_posts *posts, const tb_post *post, tb_parsed *event);

// Expect this event's middle in the next one.
void tb_expect(tb_posts *posts, tb_post *post, const tb_parsed *event);

// Put a group to the finished ones of its post; false where memory is short, and nothing has changed.
bool tb_finish(tb_posts *posts, tb_post *post, tb_group *group);

// Enter a number in a table by hash.
void tb_place(int64_t *slots, uint64_t mask, uint64_t hash, int64_t number);

// Something came in for a post; false where memory is short.
bool tb_touch(tb_posts *posts, tb_post *post);

// What was staged of items is on disk.
void tb_items_written(tb_posts *posts);
#endif
