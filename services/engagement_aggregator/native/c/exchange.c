// What Python puts in: rows that were read from disk or are new, and what it has changed in a post; and what it takes out.
#include <string.h>

#include "figures.h"
#include "memory.h"
#include "minutes.h"
#include "rows.h"
#include "settle.h"

enum { MINUTE_NUMBERS = 39, MARK_NUMBERS = 17 };

int tb_post_load(tb_posts *posts, int64_t number, const uint8_t *texts, const int32_t *sizes, const int64_t totals[3],
                 int32_t is_settled) {
  tb_post_state *post = &posts->states[number];
  memcpy(post->totals, totals, sizeof post->totals);
  post->is_settled = is_settled;
  return tb_texts_copy(&post->texts, texts, sizes) ? 0 : -1;
}

int64_t *tb_post_numbers(tb_posts *posts, int64_t post) {
  return posts->states[post].numbers;
}

void tb_post_loaded(tb_posts *posts, int64_t number) {
  tb_contribution(&posts->states[number], posts->states[number].before);
}

int64_t tb_post_apply(tb_posts *posts, int64_t post, int64_t *missing) {
  return tb_waiting_apply(posts, post, missing);
}

int tb_post_changed(tb_posts *posts, int64_t post, int32_t is_counted) {
  if (is_counted) posts->states[post].is_changed = true;
  else posts->states[post].is_to_write = true;
  return tb_touch(posts, &posts->posts[post]) ? 0 : -1;
}

int64_t tb_post_count(tb_posts *posts, int64_t number, int64_t minute, int64_t comments, int64_t replies, int64_t at,
                      int64_t *missing) {
  return tb_items_apply(&posts->states[number], minute, comments, replies, at, 1, missing);
}

int tb_post_activity(tb_posts *posts, int64_t number, int64_t hour_of_week, int64_t change, int32_t came) {
  tb_post_state *post = &posts->states[number];
  if (came && !tb_activity_add(&post->came, hour_of_week, change)) return -1;
  return tb_activity_add(&post->activity, hour_of_week, change) ? 0 : -1;
}

int tb_post_marks_put(tb_posts *posts, int64_t number, const int64_t *marks, int64_t count, int32_t is_settled) {
  tb_post_state *post = &posts->states[number];
  if (!count) return 0;  // they never go away
  if (!tb_reserve_few((void **)&post->marks, &post->marks_room, (size_t)count, sizeof *post->marks)) return -1;
  memcpy(post->marks, marks, (size_t)count * sizeof *post->marks);
  post->marks_count = (size_t)count;
  if (!is_settled) return 0;
  if (!tb_reserve_few((void **)&post->curve, &post->curve_room, (size_t)count, sizeof *post->curve)) return -1;
  for (size_t at = 0; at < post->marks_count; at++) post->curve[at] = tb_point_of(&post->marks[at]);
  post->curve_count = post->marks_count;
  return 0;
}

int64_t tb_post_marks_get(tb_posts *posts, int64_t number, int64_t *into, int64_t room) {
  const tb_post_state *post = &posts->states[number];
  if ((int64_t)post->marks_count > room) return -1;
  if (post->marks_count) memcpy(into, post->marks, post->marks_count * sizeof *post->marks);
  return (int64_t)post->marks_count;
}

static void minute_from(const int64_t *at, tb_minute *minute) {
  minute->minute = (int16_t)at[0];
  memcpy(minute->values, at + 1, sizeof minute->values);
  memcpy(minute->sequences, at + 9, sizeof minute->sequences);
  for (int metric = 0; metric < TB_METRICS; metric++) minute->reasons[metric] = (uint8_t)at[17 + metric];
  memcpy(minute->before, at + 25, sizeof minute->before);
  minute->comments = at[33];
  minute->replies = at[34];
  memcpy(minute->restated, at + 35, sizeof minute->restated);
}

static void minute_to(const tb_minute *minute, int64_t *at) {
  at[0] = minute->minute;
  memcpy(at + 1, minute->values, sizeof minute->values);
  memcpy(at + 9, minute->sequences, sizeof minute->sequences);
  for (int metric = 0; metric < TB_METRICS; metric++) at[17 + metric] = minute->reasons[metric];
  memcpy(at + 25, minute->before, sizeof minute->before);
  at[33] = minute->comments;
  at[34] = minute->replies;
  memcpy(at + 35, minute->restated, sizeof minute->restated);
}

int tb_post_hour_load(tb_posts *posts, int64_t post, int64_t number, int64_t as_of, int64_t revision,
                      const int64_t *minutes, int64_t count) {
  tb_post_hour *hour = tb_hour_made(&posts->states[post], number);
  if (!hour || !tb_reserve_few((void **)&hour->minutes, &hour->room, (size_t)count, sizeof *hour->minutes)) return -1;
  hour->as_of = as_of;
  hour->revision = hour->settled = revision;
  hour->count = (size_t)count;
  for (int64_t at = 0; at < count; at++) minute_from(minutes + at * MINUTE_NUMBERS, &hour->minutes[at]);
  return 0;
}

// Minutes never go away, so each of them is put over itself, remembered as it was settled.
int tb_post_hour_put(tb_posts *posts, int64_t post, int64_t number, int64_t as_of, int64_t revision,
                     const int64_t *minutes, int64_t count) {
  tb_post_state *state = &posts->states[post];
  tb_post_hour *hour = tb_hour_of(state, number);
  if (!hour) return -1;
  hour->as_of = as_of;
  hour->revision = revision;
  for (int64_t at = 0; at < count; at++, minutes += MINUTE_NUMBERS) {
    tb_minute *minute = tb_minute_opened(state, hour, (int16_t)minutes[0]);
    if (!minute) return -1;
    minute_from(minutes, minute);
  }
  return 0;
}

int64_t tb_post_hour_get(tb_posts *posts, int64_t post, int64_t number, int64_t *head, int64_t *into, int64_t room) {
  const tb_post_hour *hour = tb_hour_of(&posts->states[post], number);
  if (!hour || (int64_t)hour->count > room) return -1;
  head[0] = hour->as_of;
  head[1] = hour->revision;
  for (size_t at = 0; at < hour->count; at++) minute_to(&hour->minutes[at], into + at * MINUTE_NUMBERS);
  return (int64_t)hour->count;
}

static int put_day(tb_days *days, int64_t number, int64_t as_of, int64_t revision, const int64_t *sums) {
  if (!tb_reserve_few((void **)&days->days, &days->room, days->count + 1, sizeof *days->days)) return -1;
  tb_day *day = &days->days[days->count++];
  *day = (tb_day){.day = number, .as_of = as_of, .revision = revision};
  memcpy(day->sums, sums, sizeof day->sums);
  return 0;
}

int tb_day_load(tb_posts *posts, int32_t is_total, int64_t owner, int64_t day, int64_t as_of, int64_t revision,
                const int64_t *sums) {
  return put_day(is_total ? &posts->totals[owner].days : &posts->states[owner].days, day, as_of, revision, sums);
}

int64_t tb_total_add(tb_posts *posts, const uint8_t *texts, const int32_t *sizes, const int64_t *numbers, int32_t scope,
                     int32_t is_new) {
  size_t needed = posts->totals_count + 1;
  if (!tb_reserve((void **)&posts->totals, &posts->totals_room, needed, sizeof *posts->totals)) return -1;
  tb_total *total = &posts->totals[posts->totals_count];
  memset(total, 0, sizeof *total);
  memcpy(total->sums, numbers, sizeof total->sums);
  total->as_of = numbers[TB_SUMS];
  total->published = numbers[TB_SUMS + 1];
  total->follower_events = numbers[TB_SUMS + 2];
  total->home = numbers[TB_SUMS + 3];
  total->followers = TB_NONE;
  total->scope = scope;
  total->is_to_write = is_new;
  if (!tb_texts_copy(&total->texts, texts, sizes)) return -1;
  return (int64_t)posts->totals_count++;
}

int tb_total_activity(tb_posts *posts, int64_t total, int64_t hour_of_week, int64_t count) {
  return tb_activity_add(&posts->totals[total].activity, hour_of_week, count) ? 0 : -1;
}

int tb_total_point(tb_posts *posts, int64_t total, const int64_t *numbers) {
  tb_point point;
  memcpy(&point, numbers, sizeof point);
  return tb_curve_shift(&posts->totals[total], &point, 1) ? 0 : -1;
}

int tb_total_seen(tb_posts *posts, int64_t total, const uint8_t *platform, int64_t size, int64_t at) {
  return tb_see(&posts->totals[total], platform, (size_t)size, at) ? 0 : -1;
}

static bool replace(uint8_t **known, int64_t *known_size, const uint8_t *text, int64_t size) {
  uint8_t *made = malloc((size_t)size + 1);
  if (!made) return false;
  memcpy(made, text, (size_t)size);
  free(*known);
  *known = made;
  *known_size = size;
  return true;
}

int tb_total_followers(tb_posts *posts, int64_t number, const uint8_t *row, int64_t row_size, const uint8_t *shown,
                       int64_t shown_size, int64_t value) {
  tb_total *total = &posts->totals[number];
  total->followers = value;
  bool is_put = replace(&total->followers_row, &total->followers_row_size, row, row_size) &&
                replace(&total->followers_shown, &total->followers_shown_size, shown, shown_size);
  return is_put ? 0 : -1;
}

int tb_total_followed(tb_posts *posts, int64_t number, int64_t at, int32_t is_news) {
  tb_total *total = &posts->totals[number];
  if (!is_news && at <= total->as_of) return 0;
  total->as_of = tb_later(total->as_of, at);
  total->follower_events++;
  total->is_to_write = true;
  return 1;
}

int tb_total_hour_load(tb_posts *posts, int64_t number, int64_t hour, int64_t as_of, int64_t revision,
                       const int64_t *minutes, int64_t count) {
  tb_total *total = &posts->totals[number];
  size_t needed = total->hours_count + 1;
  if (!tb_reserve_few((void **)&total->hours, &total->hours_room, needed, sizeof *total->hours)) return -1;
  tb_total_hour *made = &total->hours[total->hours_count++];
  *made = (tb_total_hour){.hour = hour, .as_of = as_of, .revision = revision};
  for (int64_t at = 0; at < count; at++, minutes += 1 + TB_BROUGHT) {
    tb_total_minute *minute = tb_total_minute_made(made, minutes[0]);
    if (!minute) return -1;
    memcpy(minute->sums, minutes + 1, sizeof minute->sums);
  }
  return 0;
}
