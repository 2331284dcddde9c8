// What one flush writes: every row that changed since the last one, as it stands now. Windows and parents are published
// by full flushes only; until then they are owed.
#include <stdlib.h>
#include <string.h>

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
  bool is_full;
} staging;

// A row that is being written: where its key and its value began.
typedef struct {
  stream *into;
  size_t from, middle;
} open_row;

static const char INSIDE[] = "window\x1f";

// kind: before the key; word: of the hour or day that it is of, size 0 for none.
static open_row begin(stream *into, const char *kind, const tb_texts *texts, const uint8_t *word, size_t size) {
  size_t from = into->out.size;
  tb_put(&into->out, kind, strlen(kind));
  tb_put_text(&into->out, texts, TB_KEY);
  if (size) {
    TB_PUT(&into->out, "@");
    tb_put(&into->out, word, size);
  }
  return (open_row){into, from, into->out.size};
}

static void end(open_row row) {
  int32_t sizes[2] = {(int32_t)(row.middle - row.from), (int32_t)(row.into->out.size - row.middle)};
  tb_put(&row.into->sizes, sizes, sizeof sizes);
  row.into->count++;
}

// Windows of one kind. A row of the table for each that changed; published are those that changed or are owed.
#define STAGE_WINDOWS(name, window, word_of, number, write, publish)                                  \
  static void name(staging *into, const tb_texts *texts, window *windows, size_t count) {             \
    for (window *one = windows; one != windows + count; one++) {                                      \
      if (!one->is_changed && !(into->is_full && one->is_owed)) continue;                             \
      uint8_t word[TB_LONGEST_WORD];                                                                  \
      size_t size = word_of(word, one->number);                                                       \
      if (one->is_changed) {                                                                          \
        open_row row = begin(&into->table, INSIDE, texts, word, size);                                \
        write(&into->table.out, texts, one);                                                          \
        end(row);                                                                                     \
      }                                                                                               \
      if (into->is_full) {                                                                            \
        open_row row = begin(&into->windows, "", texts, word, size);                                  \
        publish(&into->windows.out, texts, one);                                                      \
        end(row);                                                                                     \
      }                                                                                               \
      one->is_changed = false;                                                                        \
      one->is_owed = !into->is_full;                                                                  \
    }                                                                                                 \
  }

STAGE_WINDOWS(stage_days, tb_day, tb_day_word, day, tb_write_day, tb_publish_day)
STAGE_WINDOWS(stage_post_hours, tb_post_hour, tb_hour_word, hour, tb_write_post_hour, tb_publish_post_hour)
STAGE_WINDOWS(stage_total_hours, tb_total_hour, tb_hour_word, hour, tb_write_total_hour, tb_publish_total_hour)

static void stage_post(staging *into, tb_post_state *post) {
  const tb_texts *texts = &post->texts;
  if (post->is_to_write) {
    open_row row = begin(&into->table, "", texts, NULL, 0);
    tb_write_post(&into->table.out, post);
    end(row);
    row = begin(&into->aggregates, "", texts, NULL, 0);
    tb_publish_post(&into->aggregates.out, post);
    end(row);
    into->scopes[TB_OF_POST]++;
    post->is_to_write = false;
  }
  stage_post_hours(into, texts, post->hours, post->hours_count);
  stage_days(into, texts, post->days.days, post->days.count);
}

static void stage_campaign(staging *into, const tb_total *total) {
  size_t size;
  const uint8_t *campaign = tb_text_of(&total->texts, TB_CAMPAIGN_TEXT, &size);
  open_row row = {&into->campaigns, into->campaigns.out.size, into->campaigns.out.size + size - 2};
  tb_put(&into->campaigns.out, campaign + 1, size - 2);
  tb_write_campaign_totals(&into->campaigns.out, total);
  end(row);
  tb_put(&into->homes, &total->home, sizeof total->home);
}

static void publish_total(staging *into, const tb_total *total) {
  open_row row = begin(&into->aggregates, "", &total->texts, NULL, 0);
  tb_publish_total(&into->aggregates.out, total);
  end(row);
  into->scopes[total->scope]++;
  if (total->scope == TB_OF_CAMPAIGN) stage_campaign(into, total);
}

static void stage_total(staging *into, tb_total *total) {
  const tb_texts *texts = &total->texts;
  if (total->is_to_write) {
    open_row row = begin(&into->table, "", texts, NULL, 0);
    tb_write_total(&into->table.out, total);
    end(row);
    total->is_to_write = false;
    total->is_owed = true;
  }
  if (into->is_full && total->is_owed) {
    publish_total(into, total);
    total->is_owed = false;
  }
  stage_total_hours(into, texts, total->hours, total->hours_count);
  stage_days(into, texts, total->days.days, total->days.count);
}

static tb_rows rows_of(const stream *of) {
  return (tb_rows){of->out.bytes, (int32_t *)of->sizes.bytes, (int64_t)of->out.size, of->count};
}

int tb_stage(tb_posts *posts, int32_t is_full, tb_flush *staged) {
  staging into = {.is_full = is_full};
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
