// Parents, days and hours follow the posts, once for everything that came since the last time.
#include "settle.h"

#include <string.h>

#include "figures.h"
#include "memory.h"
#include "minutes.h"
#include "rows.h"

typedef struct {
  tb_need *into;
  int64_t count, room;
} needs;

static void need(needs *list, int64_t kind, int64_t owner, int64_t number) {
  for (int64_t at = list->count; at--;) {
    const tb_need *known = &list->into[at];
    if (known->owner == owner && known->number == number && known->kind == kind) return;
  }
  if (list->count < list->room) list->into[list->count++] = (tb_need){kind, owner, number};
}

// The first group of a post that waits; NULL for none.
static tb_group *waiting(tb_posts *posts, tb_post *post) {
  if (post->first >= 0) return &posts->groups[post->first];
  if (post->group.count) return &post->group;
  return post->items.count ? &post->items : NULL;
}

static void forget(tb_posts *posts, tb_post *post, tb_group *group) {
  if (post->first >= 0) {
    post->first = posts->following[post->first];
    if (post->first < 0) post->last = -1;
    return;
  }
  int64_t minute = group->minute;
  *group = (tb_group){.minute = minute};
}

int64_t tb_waiting_apply(tb_posts *posts, int64_t number, int64_t *missing) {
  tb_post *post = &posts->posts[number];
  tb_post_state *state = &posts->states[number];
  for (tb_group *group; (group = waiting(posts, post)); forget(posts, post, group)) {
    tb_outcome outcome = tb_group_apply(state, post, group, missing);
    if (outcome != TB_APPLIED) return outcome;
    state->is_changed = true;
  }
  if (post->newest != INT64_MIN) {
    state->numbers[TB_AS_OF] = tb_later(state->numbers[TB_AS_OF], post->newest);
    state->numbers[TB_NEWEST] = tb_later(state->numbers[TB_NEWEST], post->newest);
  }
  return TB_APPLIED;
}

// Rows that a changed post moves and that have not been loaded.
static void look_for_rows(const tb_posts *posts, int64_t number, needs *list) {
  tb_post_state *post = &posts->states[number];
  for (size_t at = 0; at < post->hours_count; at++) {
    const tb_post_hour *hour = &post->hours[at];
    if (hour->revision == hour->settled) continue;
    int64_t day = tb_day_of(hour->hour);
    if (!tb_day_in(&post->days, day)) need(list, TB_POST_DAY, number, day);
    for (int parent = 0; parent < TB_PARENTS; parent++) {
      tb_total *total = &posts->totals[post->totals[parent]];
      if (!tb_total_hour_of(total, hour->hour)) need(list, TB_TOTAL_HOUR, post->totals[parent], hour->hour);
      if (!tb_day_in(&total->days, day)) need(list, TB_TOTAL_DAY, post->totals[parent], day);
    }
  }
}

int64_t tb_needs(tb_posts *posts, tb_need *into, int64_t room) {
  needs list = {into, 0, room};
  int64_t missing;
  for (size_t at = 0; at < posts->touched_count && list.count < room; at++) {
    int64_t number = posts->touched[at];
    switch (tb_waiting_apply(posts, number, &missing)) {
      case TB_NO_MEMORY: return -1;
      case TB_HOUR_MISSING: need(&list, TB_POST_HOUR, number, missing); break;
      default: look_for_rows(posts, number, &list);
    }
  }
  return list.count;
}

static void add(int64_t *sums, const int64_t *more, int count) {
  for (int at = 0; at < count; at++) sums[at] += more[at];
}

static void move_day(tb_days *days, int64_t hour, int64_t as_of, int64_t revisions, const int64_t brought[TB_BROUGHT]) {
  tb_day *day = tb_day_in(days, tb_day_of(hour));
  day->as_of = tb_later(day->as_of, as_of);
  day->revision += revisions;
  day->is_changed = true;
  add(day->sums, brought, TB_BROUGHT);
}

// One hour of a post: its minutes move those of the parents, their sum the days.
static bool settle_hour(tb_posts *posts, tb_post_state *post, tb_post_hour *hour) {
  int64_t sum[TB_BROUGHT] = {0}, revisions = hour->revision - hour->settled;
  tb_total_hour *of_parents[TB_PARENTS];
  for (int parent = 0; parent < TB_PARENTS; parent++) {
    tb_total_hour *of = of_parents[parent] = tb_total_hour_of(&posts->totals[post->totals[parent]], hour->hour);
    of->as_of = tb_later(of->as_of, hour->as_of);
    of->revision += revisions;
    of->is_changed = true;
  }
  for (size_t at = 0; at < post->touched_count; at++) {
    const tb_touched_minute *touched = &post->touched[at];
    if (touched->minute / 60 != hour->hour) continue;
    int64_t brought[TB_BROUGHT];
    size_t place = hour->count;
    while (place-- && hour->minutes[place].minute != touched->minute % 60) continue;
    tb_brought(&hour->minutes[place], brought);
    for (int which = 0; which < TB_BROUGHT; which++) brought[which] -= touched->brought[which];
    add(sum, brought, TB_BROUGHT);
    for (int parent = 0; parent < TB_PARENTS; parent++) {
      tb_total_minute *minute = tb_total_minute_made(of_parents[parent], touched->minute % 60);
      if (!minute) return false;
      add(minute->sums, brought, TB_BROUGHT);
    }
  }
  move_day(&post->days, hour->hour, hour->as_of, revisions, sum);
  for (int parent = 0; parent < TB_PARENTS; parent++) {
    move_day(&posts->totals[post->totals[parent]].days, hour->hour, hour->as_of, revisions, sum);
  }
  hour->settled = hour->revision;
  return hour->is_changed = true;
}

static bool is_same(const tb_point *one, const tb_point *other) {
  return !memcmp(one, other, sizeof *one);
}

// What the post has of the curve in place of what its parents had of it.
static bool settle_curve(tb_posts *posts, tb_post_state *post) {
  if (!tb_reserve_few((void **)&post->curve, &post->curve_room, post->marks_count, sizeof *post->curve)) return false;
  for (size_t at = 0; at < post->marks_count; at++) {
    tb_point now = tb_point_of(&post->marks[at]);
    bool is_known = at < post->curve_count;
    if (is_known && is_same(&now, &post->curve[at])) continue;
    for (int parent = 0; parent < TB_PARENTS; parent++) {
      tb_total *total = &posts->totals[post->totals[parent]];
      if (is_known && !tb_curve_shift(total, &post->curve[at], -1)) return false;
      if (!tb_curve_shift(total, &now, 1)) return false;
    }
    post->curve[at] = now;
  }
  post->curve_count = post->marks_count;
  return true;
}

static bool settle_post(tb_posts *posts, tb_post_state *post) {
  int64_t after[TB_SUMS], moved[TB_SUMS];
  size_t size;
  const uint8_t *platform = tb_text_of(&post->texts, TB_PLATFORM_TEXT, &size);
  tb_contribution(post, after);
  memcpy(moved, after, sizeof moved);
  if (post->is_settled) {
    for (int which = 0; which < TB_SUMS; which++) moved[which] -= post->before[which];
  }
  for (int parent = 0; parent < TB_PARENTS; parent++) {
    tb_total *total = &posts->totals[post->totals[parent]];
    add(total->sums, moved, TB_SUMS);
    total->as_of = tb_later(total->as_of, post->numbers[TB_AS_OF]);
    total->published = tb_later(total->published, post->numbers[TB_PUBLISHED]);
    total->is_to_write = true;
    int64_t newest = post->numbers[TB_NEWEST];
    if (newest != TB_NONE && !tb_see(total, platform + 1, size - 2, newest)) return false;
    for (size_t at = 0; at < post->came.count; at++) {
      if (!tb_activity_add(&total->activity, post->came.hours[at].hour, post->came.hours[at].count)) return false;
    }
  }
  if (!settle_curve(posts, post)) return false;
  for (size_t at = 0; at < post->hours_count; at++) {
    tb_post_hour *hour = &post->hours[at];
    if (hour->revision != hour->settled && !settle_hour(posts, post, hour)) return false;
  }
  memcpy(post->before, after, sizeof after);
  post->came.count = post->touched_count = 0;
  post->is_settled = post->is_to_write = true;
  post->is_changed = false;
  return true;
}

int tb_settle(tb_posts *posts) {
  for (size_t at = 0; at < posts->touched_count; at++) {
    int64_t number = posts->touched[at];
    posts->posts[number].is_touched = false;
    if (posts->states[number].is_changed && !settle_post(posts, &posts->states[number])) return -1;
  }
  posts->touched_count = posts->groups_count = 0;
  return 0;
}
