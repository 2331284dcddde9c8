// Rows that are in the table and not published yet, where windows and parents are published less often than posts.
#include "figures.h"
#include "minutes.h"
#include "rows.h"
#include "settle.h"

int64_t tb_owed(const tb_posts *posts, int64_t *into) {
  int64_t count = 0;
  for (size_t at = 0; at < posts->count; at++) {
    const tb_post_state *post = &posts->states[at];
    for (size_t hour = 0; hour < post->hours_count; hour++) {
      if (!post->hours[hour].is_owed) continue;
      if (into) {
        into[2 * count] = (int64_t)at;
        into[2 * count + 1] = post->hours[hour].hour;
      }
      count++;
    }
  }
  return count;
}

int64_t tb_owed_totals(const tb_posts *posts, int64_t *into) {
  int64_t count = 0;
  for (size_t at = 0; at < posts->totals_count; at++) {
    if (!posts->totals[at].is_owed) continue;
    if (into) into[count] = (int64_t)at;
    count++;
  }
  return count;
}

int64_t tb_owe(tb_posts *posts, int64_t number, int64_t hour, tb_need *into) {
  tb_post_state *post = &posts->states[number];
  int64_t day = tb_day_of(hour), missing = 0;
  if (!tb_hour_of(post, hour)) into[missing++] = (tb_need){TB_POST_HOUR, number, hour};
  if (!tb_day_in(&post->days, day)) into[missing++] = (tb_need){TB_POST_DAY, number, day};
  for (int parent = 0; parent < TB_PARENTS; parent++) {
    tb_total *total = &posts->totals[post->totals[parent]];
    if (!tb_total_hour_of(total, hour)) into[missing++] = (tb_need){TB_TOTAL_HOUR, post->totals[parent], hour};
    if (!tb_day_in(&total->days, day)) into[missing++] = (tb_need){TB_TOTAL_DAY, post->totals[parent], day};
  }
  if (missing) return missing;
  tb_hour_of(post, hour)->is_owed = tb_day_in(&post->days, day)->is_owed = true;
  for (int parent = 0; parent < TB_PARENTS; parent++) {
    tb_total *total = &posts->totals[post->totals[parent]];
    total->is_owed = tb_total_hour_of(total, hour)->is_owed = tb_day_in(&total->days, day)->is_owed = true;
  }
  return 0;
}

void tb_owe_total(tb_posts *posts, int64_t total) {
  posts->totals[total].is_owed = true;
}
