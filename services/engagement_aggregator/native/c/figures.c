#include "figures.h"

#include <string.h>

const int64_t TB_MISSING[4] = {0, 1, 1 << 20, (int64_t)1 << 40};
static const int64_t SHANGHAI_HOURS = 8, DAY_HOURS = 24;
enum { NOT_YET = 2, VIEWS = 0, LIKES = 1, SAVES = 4 };

bool tb_is_read(const tb_minute *minute) {
  for (int metric = 0; metric < TB_METRICS; metric++) {
    if (minute->sequences[metric] || minute->reasons[metric]) return true;
  }
  return false;
}

void tb_brought(const tb_minute *minute, int64_t into[TB_BROUGHT]) {
  for (int metric = 0; metric < TB_METRICS; metric++) {
    int64_t value = minute->values[metric], old = minute->before[metric];
    bool is_known = value != TB_NONE;
    into[metric] = is_known ? value - (old == TB_NONE ? 0 : old) : 0;
    into[TB_KNOWN + metric] = is_known;
    into[TB_LACKING + metric] = is_known ? 0 : TB_MISSING[minute->reasons[metric]];
  }
  into[TB_CAME] = minute->comments;
  into[TB_REPLIED] = minute->replies;
  into[TB_READ] = tb_is_read(minute);
  memcpy(into + TB_RESTATED, minute->restated, sizeof minute->restated);
}

static bool engagement_of(const int64_t values[TB_METRICS], int64_t *sum) {
  bool is_known = false;
  *sum = 0;
  for (int metric = LIKES; metric <= SAVES; metric++) {
    if (values[metric] == TB_NONE) continue;
    *sum += values[metric];
    is_known = true;
  }
  return is_known;
}

void tb_contribution(const tb_post_state *post, int64_t into[TB_SUMS]) {
  const int64_t *of = post->numbers;
  int64_t engagement, views = of[TB_VALUES + VIEWS];
  memset(into, 0, TB_SUMS * sizeof *into);
  into[TB_POSTS_SUM] = 1;
  into[TB_COLLECTED_SUM] = of[TB_COMMENTS];
  if (of[TB_COMMENTS_TOTAL] != TB_NONE) {
    into[TB_COVERED_POSTS] = 1;
    into[TB_COVERED_COMMENTS] = of[TB_COMMENTS];
    into[TB_TOTAL_SUM] = of[TB_COMMENTS_TOTAL];
  }
  if (engagement_of(of + TB_VALUES, &engagement)) {
    into[TB_ENGAGED] = 1;
    into[TB_ENGAGEMENT] = engagement;
    if (views != TB_NONE) {
      into[TB_RATED] = engagement;
      into[TB_RATED_VIEWS] = views;
    }
  }
  into[TB_REPLIES_SUM] = of[TB_REPLIES];
  into[TB_EVENTS_SUM] = of[TB_EVENTS];
  into[TB_LATE_SUM] = of[TB_LATE];
  for (int metric = 0; metric < TB_METRICS; metric++) {
    int64_t value = of[TB_VALUES + metric], reason = of[TB_REASONS + metric];
    bool is_known = value != TB_NONE;
    into[TB_VALUE_SUMS + metric] = is_known ? value : 0;
    into[TB_KNOWN_SUMS + metric] = is_known;
    // What nobody read yet is not there yet.
    into[TB_LACKING_SUMS + metric] = is_known ? 0 : TB_MISSING[reason ? reason : NOT_YET];
  }
}

tb_point tb_point_of(const tb_mark *mark) {
  int64_t views = mark->values[VIEWS], engagement;
  bool is_engaged = engagement_of(mark->values, &engagement), is_viewed = views != TB_NONE;
  return (tb_point){mark->age, {1, is_viewed ? views : 0, is_viewed, engagement, is_engaged}};
}

int64_t tb_day_of(int64_t hour) {
  return (hour + SHANGHAI_HOURS) / DAY_HOURS;
}
