#include "posts.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t FIRST_SLOTS = 1024;
static const int64_t LARGEST_NAME = 4096;

static uint64_t hash_of(const uint8_t *bytes, int64_t size) {
  uint64_t hash = 0x9e3779b97f4a7c15u ^ (uint64_t)size;
  for (; size >= 8; bytes += 8, size -= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  uint64_t rest = 0;
  memcpy(&rest, bytes, (size_t)size);
  hash = (hash ^ rest) * 0xff51afd7ed558ccdu;
  hash ^= hash >> 29;
  hash *= 0xc4ceb9fe1a85ec53u;
  return hash ^ hash >> 32;
}

tb_posts *tb_posts_new(void) {
  tb_posts *posts = calloc(1, sizeof *posts);
  if (!posts) return NULL;
  posts->slots = calloc(FIRST_SLOTS, sizeof *posts->slots);
  if (!posts->slots) {
    free(posts);
    return NULL;
  }
  posts->mask = FIRST_SLOTS - 1;
  return posts;
}

static void release(tb_posts *posts) {
  free(posts->posts);
  free(posts->names);
  free(posts->groups);
  free(posts->following);
}

void tb_posts_free(tb_posts *posts) {
  if (!posts) return;
  release(posts);
  free(posts->slots);
  free(posts);
}

void tb_posts_clear(tb_posts *posts) {
  posts->count = posts->groups_count = 0;
  posts->names_size = 0;
  memset(posts->slots, 0, (posts->mask + 1) * sizeof *posts->slots);
}

// Room for `needed` in all; false where memory is short, and nothing has changed.
static bool reserve(void **block, size_t *room, size_t needed, size_t item) {
  if (needed <= *room) return true;
  size_t larger = *room ? *room * 2 : 256;
  while (larger < needed) larger *= 2;
  void *moved = realloc(*block, larger * item);
  if (!moved) return false;
  *block = moved;
  *room = larger;
  return true;
}

static void place(int64_t *slots, uint64_t mask, uint64_t hash, int64_t number) {
  uint64_t slot = hash & mask;
  while (slots[slot]) slot = (slot + 1) & mask;
  slots[slot] = number + 1;
}

static bool grow_slots(tb_posts *posts) {
  uint64_t size = (posts->mask + 1) * 2;
  int64_t *slots = calloc(size, sizeof *slots);
  if (!slots) return false;
  for (int64_t number = 0; number < posts->count; number++) place(slots, size - 1, posts->posts[number].hash, number);
  free(posts->slots);
  posts->slots = slots;
  posts->mask = size - 1;
  return true;
}

int64_t tb_post_add(tb_posts *posts, const uint8_t *names, const int32_t sizes[7]) {
  size_t size = 0, room = (size_t)posts->room;
  for (int name = 0; name < TB_NAMES; name++) {
    if (sizes[name] < 0 || sizes[name] > LARGEST_NAME) return -1;
    size += (size_t)sizes[name];
  }
  if ((uint64_t)posts->count * 2 > posts->mask && !grow_slots(posts)) return -1;
  if (!reserve((void **)&posts->posts, &room, (size_t)posts->count + 1, sizeof *posts->posts)) return -1;
  posts->room = (int64_t)room;
  if (!reserve((void **)&posts->names, &posts->names_room, posts->names_size + size, 1)) return -1;
  tb_post *post = &posts->posts[posts->count];
  memset(post, 0, sizeof *post);
  post->hash = hash_of(names, sizes[TB_POST_KEY]);
  post->names_at = posts->names_size;
  memcpy(post->sizes, sizes, sizeof post->sizes);
  memcpy(posts->names + posts->names_size, names, size);
  posts->names_size += size;
  post->pattern = -1;
  post->newest = INT64_MIN;
  post->first = post->last = -1;
  place(posts->slots, posts->mask, post->hash, posts->count);
  return posts->count++;
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
  uint64_t hash = hash_of(event->names[TB_POST_KEY].at, event->names[TB_POST_KEY].size);
  for (uint64_t slot = hash & posts->mask; posts->slots[slot]; slot = (slot + 1) & posts->mask) {
    tb_post *post = &posts->posts[posts->slots[slot] - 1];
    if (post->hash == hash && is_named(posts, post, event)) return post;
  }
  return NULL;
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

bool tb_finish(tb_posts *posts, tb_post *post) {
  if (post->group.count) {
    size_t room = (size_t)posts->groups_room, needed = (size_t)posts->groups_count + 1, same = room;
    if (!reserve((void **)&posts->following, &same, needed, sizeof *posts->following)) return false;
    if (!reserve((void **)&posts->groups, &room, needed, sizeof *posts->groups)) return false;
    posts->groups_room = (int64_t)room;
    int64_t number = posts->groups_count++;
    posts->groups[number] = post->group;
    posts->following[number] = -1;
    if (post->last < 0) post->first = number;
    else posts->following[post->last] = number;
    post->last = number;
  }
  post->group.count = 0;
  return true;
}

int64_t tb_post_take(tb_posts *posts, int64_t number, tb_group *into, int64_t room, int64_t *newest) {
  tb_post *post = &posts->posts[number];
  int64_t taken = 0;
  *newest = post->newest;
  for (; post->first >= 0 && taken < room; post->first = posts->following[post->first]) {
    into[taken++] = posts->groups[post->first];
  }
  if (post->first < 0) post->last = -1;
  if (post->first < 0 && post->group.count && taken < room) {
    into[taken++] = post->group;
    post->group.count = 0;
  }
  return taken;
}
