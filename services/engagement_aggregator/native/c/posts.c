#include "posts.h"

#include <string.h>

#include "hash.h"
#include "memory.h"
#include "rows.h"

static const uint64_t FIRST_SLOTS = 1024;
static const int64_t LARGEST_NAME = 4096;

tb_posts *tb_posts_new(void) {
  tb_posts *posts = calloc(1, sizeof *posts);
  if (!posts) return NULL;
  posts->slots = calloc(FIRST_SLOTS, sizeof *posts->slots);
  posts->mask = FIRST_SLOTS - 1;
  bool has_items = tb_items_begin(&posts->items);
  if (posts->slots && has_items) return posts;
  tb_posts_free(posts);
  return NULL;
}

void tb_posts_free(tb_posts *posts) {
  if (!posts) return;
  tb_items_end(&posts->items);
  for (size_t at = 0; at < posts->count; at++) tb_post_state_free(&posts->states[at]);
  for (size_t at = 0; at < posts->totals_count; at++) tb_total_free(&posts->totals[at]);
  free(posts->states);
  free(posts->totals);
  free(posts->posts);
  free(posts->names);
  free(posts->groups);
  free(posts->following);
  free(posts->touched);
  free(posts->slots);
  free(posts);
}

void tb_place(int64_t *slots, uint64_t mask, uint64_t hash, int64_t number) {
  uint64_t slot = hash & mask;
  while (slots[slot]) slot = (slot + 1) & mask;
  slots[slot] = number + 1;
}

static bool grow_slots(tb_posts *posts) {
  uint64_t size = (posts->mask + 1) * 2;
  int64_t *slots = calloc(size, sizeof *slots);
  if (!slots) return false;
  for (size_t number = 0; number < posts->count; number++) {
    tb_place(slots, size - 1, posts->posts[number].hash, (int64_t)number);
  }
  free(posts->slots);
  posts->slots = slots;
  posts->mask = size - 1;
  return true;
}

int64_t tb_post_add(tb_posts *posts, const uint8_t *names, const int32_t sizes[7], int32_t is_new) {
  size_t size = 0;
  for (int name = 0; name < TB_NAMES; name++) {
    if (sizes[name] < 0 || sizes[name] > LARGEST_NAME) return -1;
    size += (size_t)sizes[name];
  }
  if (posts->count * 2 > posts->mask && !grow_slots(posts)) return -1;
  if (!tb_reserve((void **)&posts->posts, &posts->room, posts->count + 1, sizeof *posts->posts)) return -1;
  if (!tb_reserve((void **)&posts->names, &posts->names_room, posts->names_size + size, 1)) return -1;
  if (!tb_reserve((void **)&posts->states, &posts->states_room, posts->count + 1, sizeof *posts->states)) return -1;
  memset(&posts->states[posts->count], 0, sizeof *posts->states);
  tb_post *post = &posts->posts[posts->count];
  memset(post, 0, sizeof *post);
  post->hash = tb_hash(0, names, sizes[TB_POST_KEY]);
  post->is_fresh = is_new && !posts->items.is_full;
  post->names_at = posts->names_size;
  memcpy(post->sizes, sizes, sizeof post->sizes);
  memcpy(posts->names + posts->names_size, names, size);
  posts->names_size += size;
  post->pattern = -1;
  post->newest = INT64_MIN;
  post->first = post->last = -1;
  tb_place(posts->slots, posts->mask, post->hash, (int64_t)posts->count);
  return (int64_t)posts->count++;
}

static bool is_named(const tb_posts *posts, const tb_post *post, const tb_parsed *event) {
  const uint8_t *known = posts->names + post->names_at;
  for (int name = 0; name < TB_NAMES; name++) {
    const tb_text *found = &event->names[name];
    if (found->size != post->sizes[name] || memcmp(found->at, known, (size_t)found->size) != 0) return false;
    known += post->sizes[name];
  }
  return true;
}

tb_post *tb_find(tb_posts *posts, const tb_parsed *event) {
  uint64_t hash = tb_hash(0, event->names[TB_POST_KEY].at, event->names[TB_POST_KEY].size);
  for (uint64_t slot = hash & posts->mask; posts->slots[slot]; slot = (slot + 1) & posts->mask) {
    tb_post *post = &posts->posts[posts->slots[slot] - 1];
    if (post->hash == hash && is_named(posts, post, event)) return post;
  }
  return NULL;
}

tb_post *tb_guess(tb_posts *posts, tb_text key, tb_text *middle) {
  middle->size = 0;
  if (key.size <= 0) return NULL;
  uint64_t hash = tb_hash(0, key.at, key.size);
  for (uint64_t slot = hash & posts->mask; posts->slots[slot]; slot = (slot + 1) & posts->mask) {
    tb_post *post = &posts->posts[posts->slots[slot] - 1];
    if (post->hash != hash) continue;
    *middle = (tb_text){posts->names + post->middle_at, post->middle_size};
    return post;
  }
  return NULL;
}

void tb_name(const tb_posts *posts, const tb_post *post, tb_parsed *event) {
  event->names[TB_POST_KEY] = (tb_text){posts->names + post->names_at, post->sizes[TB_POST_KEY]};
}

void tb_expect(tb_posts *posts, tb_post *post, const tb_parsed *event) {
  int64_t size = event->middle.size;
  if (size > post->middle_room) {
    if (post->middle_room || size > LARGEST_NAME) return;
    size_t needed = posts->names_size + (size_t)size;
    if (!tb_reserve((void **)&posts->names, &posts->names_room, needed, 1)) return;
    post->middle_at = posts->names_size;
    post->middle_room = size;
    posts->names_size = needed;
  }
  memcpy(posts->names + post->middle_at, event->middle.at, (size_t)size);
  post->middle_size = size;
}

void tb_post_resume(tb_posts *posts, int64_t number, int64_t sequence, int64_t newest, int64_t pattern, int64_t minute,
                    int64_t after, int64_t until) {
  tb_post *post = &posts->posts[number];
  post->sequence = sequence;
  post->newest = newest;
  post->pattern = pattern;
  post->after = after;
  post->until = until;
  memset(&post->group, 0, sizeof post->group);
  post->group.minute = minute;
}

bool tb_finish(tb_posts *posts, tb_post *post, tb_group *group) {
  if (group->count) {
    size_t same = posts->groups_room, needed = posts->groups_count + 1;
    if (!tb_reserve((void **)&posts->following, &same, needed, sizeof *posts->following)) return false;
    if (!tb_reserve((void **)&posts->groups, &posts->groups_room, needed, sizeof *posts->groups)) return false;
    int64_t number = (int64_t)posts->groups_count++;
    posts->groups[number] = *group;
    posts->following[number] = -1;
    if (post->last < 0) post->first = number;
    else posts->following[post->last] = number;
    post->last = number;
  }
  memset(group, 0, sizeof *group);
  return true;
}

bool tb_touch(tb_posts *posts, tb_post *post) {
  if (post->is_touched) return true;
  size_t needed = posts->touched_count + 1;
  if (!tb_reserve((void **)&posts->touched, &posts->touched_room, needed, sizeof *posts->touched)) return false;
  posts->touched[posts->touched_count++] = post - posts->posts;
  return post->is_touched = true;
}

int64_t tb_posts_touched(const tb_posts *posts) {
  return (int64_t)posts->touched_count;
}
