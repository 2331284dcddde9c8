// What is on disk and not in use leaves memory: hours and days that are over, and posts when there are many. Only a
// touched post has what no flush has written; parents and days change in settling alone, right before they are staged.
// What is owed stays until it has been published.
#include <string.h>

#include "hash.h"
#include "memory.h"
#include "posts.h"
#include "rows.h"

enum { KEPT = 2 };  // hours and days of a row, the youngest

static int64_t drop_days(tb_days *days) {
  int64_t newest = INT64_MIN;
  size_t left = 0;
  for (size_t at = 0; at < days->count; at++) newest = tb_later(newest, days->days[at].day);
  for (size_t at = 0; at < days->count; at++) {
    if (days->days[at].is_owed || days->days[at].day > newest - KEPT) days->days[left++] = days->days[at];
  }
  days->count = left;
  return (int64_t)(days->room * sizeof *days->days);
}

// Drops hours that are over and returns what is left in bytes.
static int64_t tidy_post(tb_post_state *post, bool is_in_use) {
  int64_t newest = INT64_MIN, bytes = 0;
  size_t left = 0;
  for (size_t at = 0; at < post->hours_count; at++) newest = tb_later(newest, post->hours[at].hour);
  for (size_t at = 0; at < post->hours_count; at++) {
    tb_post_hour *hour = &post->hours[at];
    if (is_in_use || hour->is_owed || hour->hour > newest - KEPT) {
      bytes += (int64_t)(hour->room * sizeof *hour->minutes);
      post->hours[left++] = *hour;
    } else {
      free(hour->minutes);
    }
  }
  post->hours_count = left;
  return bytes + drop_days(&post->days) + (int64_t)(post->touched_room * sizeof *post->touched);
}

static int64_t tidy_total(tb_total *total) {
  int64_t newest = INT64_MIN, bytes = 0;
  size_t left = 0;
  for (size_t at = 0; at < total->hours_count; at++) newest = tb_later(newest, total->hours[at].hour);
  for (size_t at = 0; at < total->hours_count; at++) {
    tb_total_hour *hour = &total->hours[at];
    if (hour->is_owed || hour->hour > newest - KEPT) {
      bytes += (int64_t)(hour->room * sizeof *hour->minutes);
      total->hours[left++] = *hour;
    } else {
      free(hour->minutes);
    }
  }
  total->hours_count = left;
  return bytes + drop_days(&total->days);
}

int64_t tb_written(tb_posts *posts) {
  int64_t bytes = (int64_t)(posts->room * sizeof *posts->posts + posts->states_room * sizeof *posts->states);
  bytes += (int64_t)(posts->names_room + posts->totals_room * sizeof *posts->totals);
  tb_items_written(posts);
  for (size_t at = 0; at < posts->count; at++) bytes += tidy_post(&posts->states[at], posts->posts[at].is_touched);
  for (size_t at = 0; at < posts->totals_count; at++) bytes += tidy_total(&posts->totals[at]);
  return bytes;
}

static void keep_names(tb_posts *posts, tb_post *post, uint8_t *into, size_t *size) {
  size_t names = 0;
  for (int name = 0; name < TB_NAMES; name++) names += (size_t)post->sizes[name];
  memcpy(into + *size, posts->names + post->names_at, names);
  post->names_at = *size;
  *size += names;
  memcpy(into + *size, posts->names + post->middle_at, (size_t)post->middle_room);
  post->middle_at = *size;
  *size += (size_t)post->middle_room;
}

static bool is_in_use(const tb_posts *posts, size_t number) {
  const tb_post_state *post = &posts->states[number];
  for (size_t at = 0; at < post->hours_count; at++) {
    if (post->hours[at].is_owed) return true;
  }
  return posts->posts[number].is_touched;
}

// The new numbers of parents: of those that posts in use count in, or that are to be written on their own.
static void keep_totals(tb_posts *posts, const int64_t *kept_posts, int64_t *into) {
  size_t left = 0;
  for (size_t at = 0; at < posts->totals_count; at++) {
    into[at] = posts->totals[at].is_to_write || posts->totals[at].is_owed ? 0 : -1;
  }
  for (size_t at = 0; at < posts->count; at++) {
    for (int parent = 0; parent < TB_PARENTS && kept_posts[at] >= 0; parent++) into[posts->states[at].totals[parent]] = 0;
  }
  for (size_t at = 0; at < posts->totals_count; at++) {
    if (into[at] < 0) {
      tb_total_free(&posts->totals[at]);
    } else {
      posts->totals[left] = posts->totals[at];
      into[at] = (int64_t)left++;
    }
  }
  posts->totals_count = left;
}

int64_t tb_forget(tb_posts *posts, int64_t *into, int64_t *totals) {
  uint8_t *names = malloc(posts->names_room + 1);  // never of no bytes
  if (!names) return -1;
  size_t size = 0, left = 0;
  for (size_t at = 0; at < posts->count; at++) into[at] = is_in_use(posts, at) ? (int64_t)left++ : -1;
  keep_totals(posts, into, totals);
  memset(posts->slots, 0, (posts->mask + 1) * sizeof *posts->slots);
  for (size_t at = 0; at < posts->count; at++) {
    if (into[at] < 0) {
      tb_post_state_free(&posts->states[at]);
      continue;
    }
    tb_post *post = &posts->posts[into[at]];
    tb_post_state *state = &posts->states[into[at]];
    *post = posts->posts[at];
    *state = posts->states[at];
    for (int parent = 0; parent < TB_PARENTS; parent++) state->totals[parent] = totals[state->totals[parent]];
    keep_names(posts, post, names, &size);
    tb_place(posts->slots, posts->mask, post->hash, into[at]);
  }
  for (size_t at = 0; at < posts->touched_count; at++) posts->touched[at] = into[posts->touched[at]];
  free(posts->names);
  posts->names = names;
  posts->names_size = size;
  posts->count = left;
  return (int64_t)left;
}
