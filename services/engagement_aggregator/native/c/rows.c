#include "rows.h"

#include <string.h>

#include "memory.h"

bool tb_texts_copy(tb_texts *texts, const uint8_t *bytes, const int32_t *sizes) {
  int32_t end = 0;
  for (int which = 0; which < TB_TEXTS; which++) texts->ends[which] = end += sizes[which];
  texts->bytes = malloc((size_t)end + 1);
  if (texts->bytes) memcpy(texts->bytes, bytes, (size_t)end);
  return texts->bytes != NULL;
}

tb_day *tb_day_in(tb_days *days, int64_t day) {
  for (size_t at = days->count; at--;) {
    if (days->days[at].day == day) return &days->days[at];
  }
  return NULL;
}

tb_total_hour *tb_total_hour_of(tb_total *total, int64_t hour) {
  for (size_t at = total->hours_count; at--;) {
    if (total->hours[at].hour == hour) return &total->hours[at];
  }
  return NULL;
}

tb_total_minute *tb_total_minute_made(tb_total_hour *hour, int64_t minute) {
  size_t at = hour->count;
  while (at && hour->minutes[at - 1].minute >= minute) at--;
  if (at < hour->count && hour->minutes[at].minute == minute) return &hour->minutes[at];
  if (!tb_reserve_few((void **)&hour->minutes, &hour->room, hour->count + 1, sizeof *hour->minutes)) return NULL;
  tb_total_minute *made = hour->minutes + at;
  memmove(made + 1, made, (hour->count++ - at) * sizeof *made);
  *made = (tb_total_minute){.minute = minute};
  return made;
}

bool tb_curve_shift(tb_total *total, const tb_point *point, int64_t sign) {
  size_t at = 0;
  while (at < total->curve_count && total->curve[at].age < point->age) at++;
  if (at == total->curve_count || total->curve[at].age != point->age) {
    size_t needed = total->curve_count + 1;
    if (!tb_reserve_few((void **)&total->curve, &total->curve_room, needed, sizeof *point)) return false;
    memmove(total->curve + at + 1, total->curve + at, (total->curve_count++ - at) * sizeof *point);
    total->curve[at] = (tb_point){.age = point->age};
  }
  for (int figure = 0; figure < TB_POINT; figure++) total->curve[at].figures[figure] += sign * point->figures[figure];
  return true;
}

bool tb_see(tb_total *total, const uint8_t *platform, size_t size, int64_t at) {
  size_t place = 0;
  if (size > TB_PLATFORM_SIZE) return false;
  for (; place < total->seen_count; place++) {
    tb_seen *seen = &total->seen[place];
    int order = memcmp(seen->name, platform, size < (size_t)seen->size ? size : (size_t)seen->size);
    if (!order && (size_t)seen->size == size) {
      seen->at = tb_later(seen->at, at);
      return true;
    }
    if (order > 0 || (!order && (size_t)seen->size > size)) break;
  }
  if (!tb_reserve_few((void **)&total->seen, &total->seen_room, total->seen_count + 1, sizeof *total->seen)) return false;
  tb_seen *seen = total->seen + place;
  memmove(seen + 1, seen, (total->seen_count++ - place) * sizeof *seen);
  *seen = (tb_seen){.size = (int64_t)size, .at = at};
  memcpy(seen->name, platform, size);
  return true;
}

void tb_post_state_free(tb_post_state *post) {
  for (size_t at = 0; at < post->hours_count; at++) free(post->hours[at].minutes);
  free(post->hours);
  free(post->days.days);
  free(post->texts.bytes);
  free(post->activity.hours);
  free(post->came.hours);
  free(post->marks);
  free(post->curve);
  free(post->touched);
}

void tb_total_free(tb_total *total) {
  for (size_t at = 0; at < total->hours_count; at++) free(total->hours[at].minutes);
  free(total->hours);
  free(total->days.days);
  free(total->texts.bytes);
  free(total->activity.hours);
  free(total->curve);
  free(total->seen);
  free(total->followers_row);
  free(total->followers_shown);
}
