// What one flush writes: every row that changed since the last one, as it stands now.
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "posts.h"
#include "write.h"

typedef struct {
  tb_out out;
  tb_out sizes;
  int64_t count;
} stream;

typedef struct {
  stream table, aggregates, windows, campaigns;
  tb_out homes;
  int64_t scopes[TB_SCOPES];
} staging;

typedef void (*day_writer)(tb_out *, const tb_texts *, const tb_day *);

// Ends a row whose key began at `from` and whose value began at `middle`.
static void end(stream *into, size_t from, size_t middle) {
  int32_t sizes[2] = {(int32_t)(middle - from), (int32_t)(into->out.size - middle)};
  tb_put(&into->sizes, sizes, sizeof sizes);
  into->count++;
}

// The key of a row of the table, or of what is published; word: of an hour or a day.
static size_t key(tb_out *out, const char *kind, const tb_texts *texts, const uint8_t *word, size_t size) {
  tb_put(out, kind, strlen(kind));
  tb_put_text(out, texts, TB_KEY);
  if (size) {
    TB_PUT(out, "@");
    tb_put(out, word, size);
  }
  return out->size;
}

static const char INSIDE[] = "window\x1f";

static void stage_days(staging *into, const tb_texts *texts, tb_days *days) {
  for (size_t at = 0; at < days->count; at++) {
    tb_day *day = &days->days[at];
    if (!day->is_changed) continue;
    uint8_t word[TB_LONGEST_WORD];
    size_t size = tb_day_word(word, day->day), from = into->table.out.size;
    size_t middle = key(&into->table.out, INSIDE, texts, word, size);
    tb_write_day(&into->table.out, texts, day);
    end(&into->table, from, middle);
    from = into->windows.out.size;
    middle = key(&into->windows.out, "", texts, word, size);
    tb_publish_day(&into->windows.out, texts, day);
    end(&into->windows, from, middle);
    day->is_changed = false;
  }
}

static void stage_post(staging *into, tb_post_state *post) {
  const tb_texts *texts = &post->texts;
  if (post->is_to_write) {
    size_t from = into->table.out.size, middle = key(&into->table.out, "", texts, NULL, 0);
    tb_write_post(&into->table.out, post);
    end(&into->table, from, middle);
    from = into->aggregates.out.size;
    middle = key(&into->aggregates.out, "", texts, NULL, 0);
    tb_publish_post(&into->aggregates.out, post);
    end(&into->aggregates, from, middle);
    into->scopes[TB_OF_POST]++;
    post->is_to_write = false;
  }
  for (size_t at = 0; at < post->hours_count; at++) {
    tb_post_hour *hour = &post->hours[at];
    if (!hour->is_changed) continue;
    uint8_t word[TB_LONGEST_WORD];
    size_t size = tb_hour_word(word, hour->hour), from = into->table.out.size;
    size_t middle = key(&into->table.out, INSIDE, texts, word, size);
    tb_write_post_hour(&into->table.out, texts, hour);
    end(&into->table, from, middle);
    from = into->windows.out.size;
    middle = key(&into->windows.out, "", texts, word, size);
    tb_publish_post_hour(&into->windows.out, texts, hour);
    end(&into->windows, from, middle);
    hour->is_changed = false;
  }
  stage_days(into, texts, &post->days);
}

static void stage_campaign(staging *into, const tb_total *total) {
  size_t size, from = into->campaigns.out.size;
  const uint8_t *campaign = tb_text_of(&total->texts, TB_CAMPAIGN_TEXT, &size);
  tb_put(&into->campaigns.out, campaign + 1, size - 2);
  size_t middle = into->campaigns.out.size;
  tb_write_campaign_totals(&into->campaigns.out, total);
  end(&into->campaigns, from, middle);
  tb_put(&into->homes, &total->home, sizeof total->home);
}

static void stage_total(staging *into, tb_total *total) {
  const tb_texts *texts = &total->texts;
  if (total->is_to_write) {
    size_t from = into->table.out.size, middle = key(&into->table.out, "", texts, NULL, 0);
    tb_write_total(&into->table.out, total);
    end(&into->table, from, middle);
    from = into->aggregates.out.size;
    middle = key(&into->aggregates.out, "", texts, NULL, 0);
    tb_publish_total(&into->aggregates.out, total);
    end(&into->aggregates, from, middle);
    into->scopes[total->scope]++;
    if (total->scope == TB_OF_CAMPAIGN) stage_campaign(into, total);
    total->is_to_write = false;
  }
  for (size_t at = 0; at < total->hours_count; at++) {
    tb_total_hour *hour = &total->hours[at];
    if (!hour->is_changed) continue;
    uint8_t word[TB_LONGEST_WORD];
    size_t size = tb_hour_word(word, hour->hour), from = into->table.out.size;
    size_t middle = key(&into->table.out, INSIDE, texts, word, size);
    tb_write_total_hour(&into->table.out, texts, hour);
    end(&into->table, from, middle);
    from = into->windows.out.size;
    middle = key(&into->windows.out, "", texts, word, size);
    tb_publish_total_hour(&into->windows.out, texts, hour);
    end(&into->windows, from, middle);
    hour->is_changed = false;
  }
  stage_days(into, texts, &total->days);
}

static tb_rows rows_of(const stream *of) {
  return (tb_rows){of->out.bytes, (int32_t *)of->sizes.bytes, (int64_t)of->out.size, of->count};
}

int tb_stage(tb_posts *posts, tb_flush *staged) {
  staging into = {0};
  memset(staged, 0, sizeof *staged);
  for (size_t at = 0; at < posts->count; at++) stage_post(&into, &posts->states[at]);
  for (size_t at = 0; at < posts->totals_count; at++) stage_total(&into, &posts->totals[at]);
  staged->table = rows_of(&into.table);
  staged->aggregates = rows_of(&into.aggregates);
  staged->windows = rows_of(&into.windows);
  staged->campaigns = rows_of(&into.campaigns);
  staged->homes = (int64_t *)into.homes.bytes;
  memcpy(staged->scopes, into.scopes, sizeof into.scopes);
  const tb_out *all[] = {&into.table.out,         &into.table.sizes,     &into.aggregates.out, &into.aggregates.sizes,
                         &into.windows.out,       &into.windows.sizes,   &into.campaigns.out,  &into.campaigns.sizes,
                         &into.homes};
  for (size_t at = 0; at < sizeof all / sizeof *all; at++) {
    if (all[at]->is_short) {
      for (at = 0; at < sizeof all / sizeof *all; at++) free(all[at]->bytes);
      return -1;
    }
  }
  return 0;
}

void tb_free(void *block) {
  free(block);
}
