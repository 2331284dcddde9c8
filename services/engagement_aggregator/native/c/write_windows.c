// Windows as they are published: EngagementWindows, all of one row in one hour, or its window of one day.
#include "figures.h"
#include "write.h"

static const char *const SIZES[] = {"1m", "5m", "1h", "1d"};
static const int64_t MINUTE = 60000000, SHANGHAI = 480, DAY_MINUTES = 1440;
enum { HOUR_MINUTES = 60, FIVE = 5, BY_MINUTE = 0, BY_FIVE, BY_HOUR, BY_DAY };

typedef struct {
  int64_t minute;
  const int64_t *sums;
} part;

static void head(tb_out *out, const tb_texts *texts, const uint8_t *word, size_t size, int64_t as_of, int64_t revision) {
  tb_put_fact(out, "EngagementWindows", texts, word, size, as_of, revision);
  TB_PUT(out, ",\"key\":\"");
  tb_put_name(out, texts, word, size);
  TB_PUT(out, "\",\"aggregate_key\":\"");
  tb_put_name(out, texts, NULL, 0);
  TB_PUT(out, "\"");
  tb_put_field(out, "scope", texts, TB_SCOPE);
  tb_put_field(out, "campaign_id", texts, TB_CAMPAIGN_TEXT);
  tb_put_field(out, "content_id", texts, TB_CONTENT_TEXT);
  tb_put_field(out, "platform", texts, TB_PLATFORM_TEXT);
  tb_put_field(out, "account", texts, TB_ACCOUNT_TEXT);
  tb_put_field(out, "post_key", texts, TB_POST_KEY_TEXT);
  TB_PUT(out, ",\"start\":");
}

static void window(tb_out *out, int size, int64_t minute, const int64_t *sums) {
  int64_t read = sums[TB_READ];
  TB_PUT(out, "{\"size\":\"");
  tb_put(out, SIZES[size], 2);
  TB_PUT(out, "\",\"start\":");
  tb_put_instant(out, minute * MINUTE);
  for (int metric = 0; metric < TB_METRICS; metric++) {
    TB_PUT(out, ",");
    tb_put_metric(out, metric);
    tb_put_level(out, sums[TB_KNOWN + metric] ? sums[metric] : TB_NONE);
  }
  TB_PUT(out, ",\"comments_collected\":");
  tb_put_int(out, sums[TB_CAME]);
  TB_PUT(out, ",\"replies\":");
  tb_put_int(out, sums[TB_REPLIED]);
  TB_PUT(out, ",\"readings\":");
  tb_put_int(out, read);
  TB_PUT(out, ",\"partial\":{");
  for (int metric = 0; metric < TB_METRICS; metric++) {
    int64_t known = sums[TB_KNOWN + metric];
    if (known <= 0 || known >= read) continue;
    tb_put_metric(out, metric);
    tb_put_int(out, known);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
  TB_PUT(out, ",\"restated\":");
  tb_put_int(out, sums[TB_RESTATED + size]);
  TB_PUT(out, "},");
}

// Why a metric that some window has not is missing; what went wrong is said first.
static void missing(tb_out *out, const part *parts, size_t count, const int64_t total[TB_BROUGHT]) {
  TB_PUT(out, "\"missing\":{");
  for (int metric = 0; metric < TB_METRICS; metric++) {
    int64_t lacking = total[TB_LACKING + metric];
    size_t at = 0;
    while (at < count && parts[at].sums[TB_KNOWN + metric]) at++;
    if (!lacking || at == count) continue;
    tb_put_metric(out, metric);
    if (lacking >= TB_MISSING[3]) TB_PUT(out, "\"failed\",");
    else if (lacking >= TB_MISSING[2]) TB_PUT(out, "\"not_yet\",");
    else TB_PUT(out, "\"unsupported\",");
  }
  tb_put_end(out, '}');
}

static void tail(tb_out *out, int64_t as_of, int64_t revision) {
  TB_PUT(out, ",\"revision\":");
  tb_put_int(out, revision);
  TB_PUT(out, ",\"as_of\":");
  tb_put_instant(out, as_of);
  TB_PUT(out, ",\"wait_s\":600}");
}

static void add(int64_t *sums, const int64_t *more) {
  for (int at = 0; at < TB_BROUGHT; at++) sums[at] += more[at];
}

// The windows of an hour by size and start: those of its minutes, of each five of them, and its own.
static void of_hour(tb_out *out, const tb_texts *texts, int64_t hour, const part *parts, size_t count, int64_t as_of,
                    int64_t revision) {
  int64_t start = hour * HOUR_MINUTES, total[TB_BROUGHT] = {0};
  uint8_t word[TB_LONGEST_WORD];
  head(out, texts, word, tb_hour_word(word, hour), as_of, revision);
  tb_put_instant(out, start * MINUTE);
  TB_PUT(out, ",\"windows\":[");
  for (size_t at = 0; at < count; at++) {
    window(out, BY_MINUTE, start + parts[at].minute, parts[at].sums);
    add(total, parts[at].sums);
  }
  for (size_t at = 0; at < count;) {
    int64_t five = parts[at].minute / FIVE, sums[TB_BROUGHT] = {0};
    for (; at < count && parts[at].minute / FIVE == five; at++) add(sums, parts[at].sums);
    window(out, BY_FIVE, start + five * FIVE, sums);
  }
  window(out, BY_HOUR, start, total);
  tb_put_end(out, ']');
  TB_PUT(out, ",");
  missing(out, parts, count, total);
  tail(out, as_of, revision);
}

void tb_publish_post_hour(tb_out *out, const tb_texts *texts, const tb_post_hour *hour) {
  int64_t sums[HOUR_MINUTES][TB_BROUGHT];
  part parts[HOUR_MINUTES];
  for (size_t at = 0; at < hour->count; at++) {
    tb_brought(&hour->minutes[at], sums[at]);
    parts[at] = (part){hour->minutes[at].minute, sums[at]};
  }
  of_hour(out, texts, hour->hour, parts, hour->count, hour->as_of, hour->revision);
}

void tb_publish_total_hour(tb_out *out, const tb_texts *texts, const tb_total_hour *hour) {
  part parts[HOUR_MINUTES];
  for (size_t at = 0; at < hour->count; at++) parts[at] = (part){hour->minutes[at].minute, hour->minutes[at].sums};
  of_hour(out, texts, hour->hour, parts, hour->count, hour->as_of, hour->revision);
}

void tb_publish_day(tb_out *out, const tb_texts *texts, const tb_day *day) {
  int64_t start = day->day * DAY_MINUTES - SHANGHAI;
  part whole = {start, day->sums};
  uint8_t word[TB_LONGEST_WORD];
  head(out, texts, word, tb_day_word(word, day->day), day->as_of, day->revision);
  tb_put_instant(out, start * MINUTE);
  TB_PUT(out, ",\"windows\":[");
  window(out, BY_DAY, start, day->sums);
  tb_put_end(out, ']');
  TB_PUT(out, ",");
  missing(out, &whole, 1, day->sums);
  tail(out, day->as_of, day->revision);
}
