#include "minutes.h"

#include <string.h>

#include "figures.h"
#include "memory.h"

static const int64_t HOUR = 60, HAS_NO_TOTAL = 1 << 16;

tb_post_hour *tb_hour_of(tb_post_state *post, int64_t hour) {
  for (size_t at = post->hours_count; at--;) {
    if (post->hours[at].hour == hour) return &post->hours[at];
  }
  return NULL;
}

tb_post_hour *tb_hour_made(tb_post_state *post, int64_t hour) {
  tb_post_hour *known = tb_hour_of(post, hour);
  if (known) return known;
  if (!tb_reserve_few((void **)&post->hours, &post->hours_room, post->hours_count + 1, sizeof *known)) return NULL;
  tb_post_hour *made = &post->hours[post->hours_count++];
  *made = (tb_post_hour){.hour = hour, .as_of = TB_NONE};
  return made;
}

static bool is_touched(const tb_post_state *post, int64_t minute) {
  for (size_t at = post->touched_count; at--;) {
    if (post->touched[at].minute == minute) return true;
  }
  return false;
}

tb_minute *tb_minute_opened(tb_post_state *post, tb_post_hour *hour, int16_t minute) {
  size_t at = hour->count;
  while (at && hour->minutes[at - 1].minute >= minute) at--;
  bool is_new = at == hour->count || hour->minutes[at].minute != minute;
  int64_t number = hour->hour * HOUR + minute;
  if (is_new && !tb_reserve_few((void **)&hour->minutes, &hour->room, hour->count + 1, sizeof *hour->minutes)) return NULL;
  if (!is_touched(post, number)) {
    size_t needed = post->touched_count + 1;
    if (!tb_reserve_few((void **)&post->touched, &post->touched_room, needed, sizeof *post->touched)) return NULL;
    tb_touched_minute *touched = &post->touched[post->touched_count++];
    touched->minute = number;
    if (is_new) memset(touched->brought, 0, sizeof touched->brought);
    else tb_brought(&hour->minutes[at], touched->brought);
  }
  if (is_new) {
    memmove(hour->minutes + at + 1, hour->minutes + at, (hour->count++ - at) * sizeof *hour->minutes);
    hour->minutes[at] = (tb_minute){.minute = minute};
    for (int metric = 0; metric < TB_METRICS; metric++) {
      hour->minutes[at].values[metric] = hour->minutes[at].before[metric] = TB_NONE;
    }
  }
  return &hour->minutes[at];
}

// The values just before a minute that is younger than every other with a snapshot.
static void carry(tb_post_state *post, int64_t newest, int64_t into[TB_METRICS]) {
  tb_post_hour *hour = tb_hour_of(post, newest / HOUR);
  for (int metric = 0; metric < TB_METRICS; metric++) into[metric] = TB_NONE;
  for (size_t at = hour->count; at--;) {
    const tb_minute *minute = &hour->minutes[at];
    if (minute->minute != newest % HOUR) continue;
    for (int metric = 0; metric < TB_METRICS; metric++) {
      into[metric] = minute->values[metric] == TB_NONE ? minute->before[metric] : minute->values[metric];
    }
  }
}

// Takes what is newer, metric by metric.
static bool merge(tb_minute *minute, int64_t sequence, const int64_t values[TB_METRICS], int64_t pattern) {
  bool is_changed = false;
  for (int metric = 0; metric < TB_METRICS; metric++) {
    uint8_t reason = pattern >> 2 * metric & 3;
    if (reason ? reason <= minute->reasons[metric] : sequence <= minute->sequences[metric]) continue;
    is_changed = true;
    if (reason) {
      minute->reasons[metric] = reason;
    } else {
      minute->sequences[metric] = sequence;
      minute->values[metric] = values[metric];
    }
  }
  return is_changed;
}

static void count(tb_post_hour *hour, int64_t at, int64_t changes) {
  if (!hour->revision || at > hour->as_of) hour->as_of = at;
  hour->revision += changes;
}

static void take_metrics(tb_post_state *post, const tb_group *group, int64_t pattern) {
  int64_t *of = post->numbers, sequence = group->sequence;
  for (int metric = 0; metric < TB_METRICS; metric++) {
    int64_t reason = pattern >> 2 * metric & 3;
    int64_t *known = &of[(reason ? TB_REASON_SEQUENCES : TB_SEQUENCES) + metric];
    if (sequence <= *known) continue;
    *known = sequence;
    of[(reason ? TB_REASONS : TB_VALUES) + metric] = reason ? reason : group->values[metric];
  }
  if (pattern & HAS_NO_TOTAL || sequence <= of[TB_TOTAL_SEQUENCE]) return;
  of[TB_COMMENTS_TOTAL] = group->total;
  of[TB_TOTAL_SEQUENCE] = sequence;
}

static tb_outcome snapshots(tb_post_state *post, const tb_group *group, int64_t pattern, int64_t *missing) {
  int64_t newest = post->numbers[TB_MINUTE], minute = group->minute;
  if (newest != TB_NONE && !tb_hour_of(post, *missing = newest / HOUR)) return TB_HOUR_MISSING;
  tb_post_hour *hour = tb_hour_of(post, *missing = minute / HOUR);
  if (!hour) return TB_HOUR_MISSING;
  tb_minute *place = tb_minute_opened(post, hour, (int16_t)(minute % HOUR));
  if (!place) return TB_NO_MEMORY;
  if (!tb_is_read(place) && newest != TB_NONE) carry(post, newest, place->before);
  if (merge(place, group->sequence, group->values, pattern)) count(hour, group->at, group->count);
  post->numbers[TB_MINUTE] = tb_later(newest, minute);
  take_metrics(post, group, pattern);
  return TB_APPLIED;
}

tb_outcome tb_items_apply(tb_post_state *post, int64_t minute, int64_t comments, int64_t replies, int64_t at,
                          int64_t changes, int64_t *missing) {
  tb_post_hour *hour = tb_hour_of(post, *missing = minute / HOUR);
  if (!hour) return TB_HOUR_MISSING;
  tb_minute *place = tb_minute_opened(post, hour, (int16_t)(minute % HOUR));
  if (!place || !tb_activity_add(&post->activity, tb_hour_of_week(hour->hour), comments)) return TB_NO_MEMORY;
  if (!tb_activity_add(&post->came, tb_hour_of_week(hour->hour), comments)) return TB_NO_MEMORY;
  post->numbers[TB_COMMENTS] += comments;
  post->numbers[TB_REPLIES] += replies;
  place->comments += comments;
  place->replies += replies;
  count(hour, at, changes);
  return TB_APPLIED;
}

tb_outcome tb_group_apply(tb_post_state *post, const tb_post *scanned, const tb_group *group, int64_t *missing) {
  tb_outcome outcome = TB_APPLIED;
  if (group->sequence) {
    outcome = snapshots(post, group, scanned->pattern, missing);
  } else if (group->at) {
    int64_t comments = group->values[0], replies = group->values[1];
    outcome = tb_items_apply(post, group->minute, comments, replies, group->at, comments + replies, missing);
  }
  if (outcome == TB_APPLIED) post->numbers[TB_EVENTS] += group->count;
  return outcome;
}

bool tb_activity_add(tb_activity *activity, int64_t hour, int64_t change) {
  size_t at = 0;
  if (!change) return true;
  while (at < activity->count && activity->hours[at].hour < hour) at++;
  tb_activity_hour *place = activity->hours + at;
  if (at == activity->count || place->hour != hour) {
    if (!tb_reserve_few((void **)&activity->hours, &activity->room, activity->count + 1, sizeof *place)) return false;
    place = activity->hours + at;
    memmove(place + 1, place, (activity->count++ - at) * sizeof *place);
    *place = (tb_activity_hour){hour, 0};
  }
  place->count += change;
  if (!place->count) memmove(place, place + 1, (--activity->count - at) * sizeof *place);
  return true;
}

int64_t tb_hour_of_week(int64_t hour) {
  int64_t hours = hour + 8;  // Shanghai
  return (hours / 24 + 3) % 7 * 24 + hours % 24;
}
