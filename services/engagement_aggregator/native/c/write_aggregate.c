// Aggregates as they are published: EngagementAggregate, field by field in the order of the contract.
#include <string.h>

#include "figures.h"
#include "write.h"

static const int64_t LOW = (1 << 20) - 1, HOUR = 3600 * (int64_t)1000000, DAY = 86400 * (int64_t)1000000;
static const char NOBODY[] = "{\"value\":null,\"known\":0,\"unknown\":0,\"reason\":\"not_yet\"}";

// What posts and totals have in common.
typedef struct {
  const tb_texts *texts;
  const int64_t *sums;
  const tb_seen *seen;
  size_t seen_count;
  const uint8_t *followers_shown;
  size_t followers_size;
  int64_t followers, as_of, published, revision;
  const int64_t *index;  // bits of the ratio, age, sample
  const tb_activity *activity;
  const tb_point *curve;
  size_t curve_count;
} aggregate;

static void head(tb_out *out, const aggregate *of) {
  tb_put_fact(out, "EngagementAggregate", of->texts, NULL, 0, of->as_of, of->revision);
  TB_PUT(out, ",\"key\":\"");
  tb_put_name(out, of->texts, NULL, 0);
  TB_PUT(out, "\"");
  tb_put_field(out, "scope", of->texts, TB_SCOPE);
  tb_put_field(out, "campaign_id", of->texts, TB_CAMPAIGN_TEXT);
  tb_put_field(out, "content_id", of->texts, TB_CONTENT_TEXT);
  tb_put_field(out, "platform", of->texts, TB_PLATFORM_TEXT);
  tb_put_field(out, "account", of->texts, TB_ACCOUNT_TEXT);
  tb_put_field(out, "post_key", of->texts, TB_POST_KEY_TEXT);
  tb_put_field(out, "placement_id", of->texts, TB_PLACEMENT_TEXT);
}

static void metric(tb_out *out, int64_t value, int64_t known, int64_t lacking) {
  int64_t unsupported = lacking & LOW, not_yet = lacking >> 20 & LOW, failed = lacking >> 40;
  TB_PUT(out, "{\"value\":");
  tb_put_level(out, known ? value : TB_NONE);
  TB_PUT(out, ",\"known\":");
  tb_put_int(out, known);
  TB_PUT(out, ",\"unknown\":");
  tb_put_int(out, unsupported + not_yet + failed);
  TB_PUT(out, ",\"reason\":");
  // What may yet come or went wrong is said before what will never be.
  if (known) TB_PUT(out, "null}");
  else if (failed) TB_PUT(out, "\"failed\"}");
  else if (unsupported && !not_yet) TB_PUT(out, "\"unsupported\"}");
  else TB_PUT(out, "\"not_yet\"}");
}

static void totals(tb_out *out, const aggregate *of) {
  const int64_t *sums = of->sums;
  TB_PUT(out, ",\"posts\":");
  tb_put_int(out, sums[TB_POSTS_SUM]);
  TB_PUT(out, ",\"totals\":{");
  for (int at = 0; at < TB_METRICS; at++) {
    tb_put_metric(out, at);
    metric(out, sums[TB_VALUE_SUMS + at], sums[TB_KNOWN_SUMS + at], sums[TB_LACKING_SUMS + at]);
    TB_PUT(out, ",");
  }
  TB_PUT(out, "\"followers\":");
  tb_put(out, of->followers_shown, of->followers_size);
  TB_PUT(out, "},\"comments_collected\":");
  tb_put_int(out, sums[TB_COLLECTED_SUM]);
  TB_PUT(out, ",\"comments_total\":");
  bool is_covered = sums[TB_COVERED_POSTS];
  tb_put_level(out, is_covered ? sums[TB_TOTAL_SUM] : TB_NONE);
  TB_PUT(out, ",\"coverage\":");
  // Nothing to collect is full coverage; a total that lags behind what is in hand is no more than full either.
  int64_t covered = sums[TB_COVERED_COMMENTS], total = sums[TB_TOTAL_SUM];
  if (!is_covered) TB_PUT(out, "null");
  else if (!total || covered >= total) TB_PUT(out, "1.0");
  else tb_put_double(out, (double)covered / (double)total);
  TB_PUT(out, ",\"replies\":");
  tb_put_int(out, sums[TB_REPLIES_SUM]);
}

// How old the newest observation may grow: twice the time between two that are due, by the age of the newest post.
static int64_t allowance(int64_t published, int64_t at) {
  if (published == TB_NONE) return 2 * DAY;
  int64_t age = at - published;
  return age < DAY ? HOUR : age < 7 * DAY ? 2 * HOUR : age < 30 * DAY ? 12 * HOUR : 2 * DAY;
}

static void observations(tb_out *out, const aggregate *of) {
  TB_PUT(out, ",\"newest_observation\":");
  tb_put_newest(out, of->seen, of->seen_count);
  TB_PUT(out, ",\"freshness_s\":{");
  for (size_t at = 0; at < of->seen_count; at++) {
    tb_put_platform(out, &of->seen[at]);
    tb_put_seconds(out, of->as_of - of->seen[at].at);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
}

static void rates(tb_out *out, const aggregate *of) {
  const int64_t *sums = of->sums;
  TB_PUT(out, ",\"engagement\":");
  tb_put_level(out, sums[TB_ENGAGED] ? sums[TB_ENGAGEMENT] : TB_NONE);
  TB_PUT(out, ",\"engagement_rate\":");
  if (sums[TB_RATED_VIEWS]) tb_put_double(out, (double)sums[TB_RATED] / (double)sums[TB_RATED_VIEWS]);
  else TB_PUT(out, "null");
  TB_PUT(out, ",\"rate_formula\":\"engagement_per_view/1\",\"revision\":");
  tb_put_int(out, of->revision);
  TB_PUT(out, ",\"as_of\":");
  tb_put_instant(out, of->as_of);
  TB_PUT(out, ",\"published_at\":");
  tb_put_instant_or_null(out, of->published);
  int64_t age = of->as_of - (of->published == TB_NONE ? 0 : of->published);
  if (of->published == TB_NONE) TB_PUT(out, ",\"maturity\":\"unknown\"");
  else if (age >= 30 * DAY) TB_PUT(out, ",\"maturity\":\"final\"");
  else if (age >= 7 * DAY) TB_PUT(out, ",\"maturity\":\"settling\"");
  else TB_PUT(out, ",\"maturity\":\"provisional\"");
  TB_PUT(out, ",\"stale_after\":{");
  for (size_t at = 0; at < of->seen_count; at++) {
    tb_put_platform(out, &of->seen[at]);
    tb_put_instant(out, of->seen[at].at + allowance(of->published, of->seen[at].at));
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
  TB_PUT(out, ",\"late\":");
  tb_put_int(out, sums[TB_LATE_SUM]);
  TB_PUT(out, ",\"engagement_per_1000_followers\":");
  if (sums[TB_ENGAGED] && of->followers > 0) {
    tb_put_double(out, (double)sums[TB_ENGAGEMENT] / (double)of->followers * 1000);
  } else {
    TB_PUT(out, "null");
  }
}

static void index_of(tb_out *out, const int64_t *index) {
  if (!index || index[1] == TB_NONE) {
    TB_PUT(out, ",\"account_index\":null,\"account_index_age_h\":null,\"account_index_sample\":0");
    return;
  }
  double ratio;
  memcpy(&ratio, index, sizeof ratio);
  TB_PUT(out, ",\"account_index\":");
  tb_put_double(out, ratio);
  TB_PUT(out, ",\"account_index_age_h\":");
  tb_put_int(out, index[1]);
  TB_PUT(out, ",\"account_index_sample\":");
  tb_put_int(out, index[2]);
}

static void curve(tb_out *out, const aggregate *of) {
  TB_PUT(out, ",\"curve\":[");
  for (size_t at = 0; at < of->curve_count; at++) {
    const int64_t *figures = of->curve[at].figures;
    TB_PUT(out, "{\"age_h\":");
    tb_put_int(out, of->curve[at].age);
    TB_PUT(out, ",\"posts\":");
    tb_put_int(out, figures[0]);
    TB_PUT(out, ",\"views\":");
    tb_put_level(out, figures[2] ? figures[1] : TB_NONE);
    TB_PUT(out, ",\"engagement\":");
    tb_put_level(out, figures[4] ? figures[3] : TB_NONE);
    TB_PUT(out, "},");
  }
  tb_put_end(out, ']');
}

static void publish(tb_out *out, const aggregate *of) {
  head(out, of);
  totals(out, of);
  observations(out, of);
  rates(out, of);
  index_of(out, of->index);
  TB_PUT(out, ",\"activity\":");
  tb_put_activity(out, of->activity);
  curve(out, of);
  TB_PUT(out, ",\"formulas_version\":1}");
}

void tb_publish_post(tb_out *out, const tb_post_state *post) {
  const int64_t *numbers = post->numbers;
  size_t size;
  const uint8_t *name = tb_text_of(&post->texts, TB_PLATFORM_TEXT, &size);
  tb_seen seen = {.size = (int64_t)size - 2, .at = numbers[TB_NEWEST]};
  memcpy(seen.name, name + 1, size - 2);
  int64_t sums[TB_SUMS];
  tb_contribution(post, sums);
  publish(out, &(aggregate){
                   .texts = &post->texts,
                   .sums = sums,
                   .seen = &seen,
                   .seen_count = seen.at != TB_NONE,
                   .followers_shown = (const uint8_t *)NOBODY,
                   .followers_size = sizeof NOBODY - 1,
                   .followers = TB_NONE,
                   .as_of = numbers[TB_AS_OF],
                   .published = numbers[TB_PUBLISHED],
                   .revision = numbers[TB_EVENTS],
                   .index = numbers + TB_INDEX,
                   .activity = &post->activity,
                   .curve = post->curve,
                   .curve_count = post->curve_count,
               });
}

void tb_publish_total(tb_out *out, const tb_total *total) {
  publish(out, &(aggregate){
                   .texts = &total->texts,
                   .sums = total->sums,
                   .seen = total->seen,
                   .seen_count = total->seen_count,
                   .followers_shown = total->followers_shown,
                   .followers_size = (size_t)total->followers_shown_size,
                   .followers = total->followers,
                   .as_of = total->as_of,
                   .published = total->published,
                   .revision = total->sums[TB_EVENTS_SUM] + total->follower_events,
                   .activity = &total->activity,
                   .curve = total->curve,
                   .curve_count = total->curve_count,
               });
}
