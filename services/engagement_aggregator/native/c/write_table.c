// Rows of the table, as arrays in the order of the types in aggregate_state.py.
#include "write.h"

#include <string.h>

static void strings(tb_out *out, const tb_texts *texts, const int *which, int count) {
  for (int at = 0; at < count; at++) {
    tb_put_text(out, texts, which[at]);
    TB_PUT(out, ",");
  }
}

static void owner(tb_out *out, const tb_texts *texts) {
  static const int FIELDS[] = {TB_SCOPE,         TB_BRAND_TEXT,   TB_CAMPAIGN_TEXT, TB_CONTENT_TEXT,
                               TB_PLATFORM_TEXT, TB_ACCOUNT_TEXT, TB_POST_KEY_TEXT};
  TB_PUT(out, "[");
  strings(out, texts, FIELDS, 7);
  tb_put_end(out, ']');
  TB_PUT(out, ",");
}

static void lists(tb_out *out, const int64_t *values, const int64_t *sequences) {
  tb_put_levels(out, values, TB_METRICS);
  TB_PUT(out, ",");
  tb_put_ints(out, sequences, TB_METRICS);
}

static void index_of(tb_out *out, const int64_t *numbers) {
  if (numbers[TB_INDEX_AGE] == TB_NONE) {
    TB_PUT(out, "null");
    return;
  }
  double ratio;
  memcpy(&ratio, &numbers[TB_INDEX], sizeof ratio);
  TB_PUT(out, "[");
  tb_put_double(out, ratio);
  TB_PUT(out, ",");
  tb_put_int(out, numbers[TB_INDEX_AGE]);
  TB_PUT(out, ",");
  tb_put_int(out, numbers[TB_INDEX_SAMPLE]);
  TB_PUT(out, "]");
}

void tb_write_post(tb_out *out, const tb_post_state *post) {
  static const int FIELDS[] = {TB_BRAND_TEXT,     TB_CAMPAIGN_TEXT, TB_CONTENT_TEXT, TB_PLACEMENT_TEXT,
                               TB_PLATFORM_TEXT, TB_ACCOUNT_TEXT,  TB_POST_KEY_TEXT};
  const int64_t *of = post->numbers;
  TB_PUT(out, "[\"post\",");
  strings(out, &post->texts, FIELDS, 7);
  tb_put_instant(out, of[TB_AS_OF]);
  TB_PUT(out, ",");
  lists(out, of + TB_VALUES, of + TB_SEQUENCES);
  TB_PUT(out, ",");
  tb_put_ints(out, of + TB_REASONS, TB_METRICS);
  TB_PUT(out, ",");
  tb_put_ints(out, of + TB_REASON_SEQUENCES, TB_METRICS);
  TB_PUT(out, ",");
  tb_put_instant_or_null(out, of[TB_NEWEST]);
  TB_PUT(out, ",");
  tb_put_instant_or_null(out, of[TB_PUBLISHED]);
  for (int at = TB_COMMENTS; at <= TB_MINUTE; at++) {
    TB_PUT(out, ",");
    tb_put_level(out, of[at]);
  }
  TB_PUT(out, ",");
  tb_put_activity(out, &post->activity);
  TB_PUT(out, ",{");
  for (size_t at = 0; at < post->marks_count; at++) {
    const tb_mark *mark = &post->marks[at];
    TB_PUT(out, "\"");
    tb_put_int(out, mark->age);
    TB_PUT(out, "\":[");
    tb_put_ints(out, mark->sequences, TB_METRICS);
    TB_PUT(out, ",");
    tb_put_levels(out, mark->values, TB_METRICS);
    TB_PUT(out, "],");
  }
  tb_put_end(out, '}');
  TB_PUT(out, ",");
  index_of(out, of);
  TB_PUT(out, "]");
}

static void window_head(tb_out *out, const tb_texts *texts, int64_t number, int64_t as_of) {
  owner(out, texts);
  tb_put_int(out, number);
  TB_PUT(out, ",");
  tb_put_instant(out, as_of);
  TB_PUT(out, ",");
}

static void window_end(tb_out *out, int64_t revision) {
  TB_PUT(out, ",");
  tb_put_int(out, revision);
  TB_PUT(out, "]");
}

void tb_write_post_hour(tb_out *out, const tb_texts *texts, const tb_post_hour *hour) {
  TB_PUT(out, "[\"post_hour\",");
  window_head(out, texts, hour->hour, hour->as_of);
  TB_PUT(out, "[");
  for (size_t at = 0; at < hour->count; at++) {
    const tb_minute *minute = &hour->minutes[at];
    int64_t reasons[TB_METRICS];
    for (int metric = 0; metric < TB_METRICS; metric++) reasons[metric] = minute->reasons[metric];
    TB_PUT(out, "[");
    tb_put_int(out, minute->minute);
    TB_PUT(out, ",");
    lists(out, minute->values, minute->sequences);
    TB_PUT(out, ",");
    tb_put_ints(out, reasons, TB_METRICS);
    TB_PUT(out, ",");
    tb_put_levels(out, minute->before, TB_METRICS);
    TB_PUT(out, ",");
    tb_put_int(out, minute->comments);
    TB_PUT(out, ",");
    tb_put_int(out, minute->replies);
    TB_PUT(out, ",");
    tb_put_ints(out, minute->restated, 4);
    TB_PUT(out, "],");
  }
  tb_put_end(out, ']');
  window_end(out, hour->revision);
}

void tb_write_total_hour(tb_out *out, const tb_texts *texts, const tb_total_hour *hour) {
  TB_PUT(out, "[\"total_hour\",");
  window_head(out, texts, hour->hour, hour->as_of);
  TB_PUT(out, "{");
  for (size_t at = 0; at < hour->count; at++) {
    TB_PUT(out, "\"");
    tb_put_int(out, hour->minutes[at].minute);
    TB_PUT(out, "\":");
    tb_put_ints(out, hour->minutes[at].sums, TB_BROUGHT);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
  window_end(out, hour->revision);
}

void tb_write_day(tb_out *out, const tb_texts *texts, const tb_day *day) {
  TB_PUT(out, "[\"day\",");
  window_head(out, texts, day->day, day->as_of);
  tb_put_ints(out, day->sums, TB_BROUGHT);
  window_end(out, day->revision);
}

static void curve(tb_out *out, const tb_total *total) {
  TB_PUT(out, "{");
  for (size_t at = 0; at < total->curve_count; at++) {
    TB_PUT(out, "\"");
    tb_put_int(out, total->curve[at].age);
    TB_PUT(out, "\":");
    tb_put_ints(out, total->curve[at].figures, TB_POINT);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
}

void tb_write_total(tb_out *out, const tb_total *total) {
  static const int FIELDS[] = {TB_SCOPE, TB_BRAND_TEXT, TB_CAMPAIGN_TEXT, TB_CONTENT_TEXT, TB_PLATFORM_TEXT};
  TB_PUT(out, "[\"total\",");
  strings(out, &total->texts, FIELDS, 5);
  tb_put_instant(out, total->as_of);
  TB_PUT(out, ",");
  tb_put_ints(out, total->sums, TB_SUMS);
  TB_PUT(out, ",");
  tb_put_activity(out, &total->activity);
  TB_PUT(out, ",");
  curve(out, total);
  TB_PUT(out, ",");
  tb_put_newest(out, total->seen, total->seen_count);
  TB_PUT(out, ",");
  tb_put_instant_or_null(out, total->published);
  TB_PUT(out, ",");
  tb_put(out, total->followers_row, (size_t)total->followers_row_size);
  TB_PUT(out, ",");
  tb_put_int(out, total->follower_events);
  TB_PUT(out, "]");
}

void tb_write_campaign_totals(tb_out *out, const tb_total *total) {
  int64_t revision = total->sums[TB_EVENTS_SUM] + total->follower_events;
  tb_put_fact(out, "CampaignTotals", &total->texts, NULL, 0, total->as_of, revision);
  tb_put_field(out, "campaign_id", &total->texts, TB_CAMPAIGN_TEXT);
  TB_PUT(out, ",\"revision\":");
  tb_put_int(out, revision);
  TB_PUT(out, ",\"sums\":");
  tb_put_ints(out, total->sums, TB_SUMS);
  TB_PUT(out, ",\"activity\":");
  tb_put_activity(out, &total->activity);
  TB_PUT(out, ",\"curve\":");
  curve(out, total);
  TB_PUT(out, ",\"newest_observation\":");
  tb_put_newest(out, total->seen, total->seen_count);
  TB_PUT(out, ",\"published_at\":");
  tb_put_instant_or_null(out, total->published);
  TB_PUT(out, ",\"followers\":");
  tb_put(out, total->followers_row, (size_t)total->followers_row_size);
  TB_PUT(out, ",\"follower_events\":");
  tb_put_int(out, total->follower_events);
  TB_PUT(out, "}");
}
