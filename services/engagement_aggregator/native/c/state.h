// What is known of open posts and of the rows they count in. Times are µs since the epoch; TB_NONE is null.
#ifndef TB_STATE_H
#define TB_STATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

#define TB_NONE INT64_MIN

// The numbers of a post, as native.h names them.
enum { TB_VALUES = 0, TB_SEQUENCES = 8, TB_REASONS = 16, TB_REASON_SEQUENCES = 24, TB_AS_OF = 32, TB_NEWEST, TB_PUBLISHED };
enum { TB_COMMENTS = 35, TB_COMMENTS_TOTAL, TB_TOTAL_SEQUENCE, TB_REPLIES, TB_EVENTS, TB_LATE, TB_MINUTE, TB_INDEX };
enum { TB_INDEX_AGE = 43, TB_INDEX_SAMPLE, TB_NUMBERS };

// Places in the sums of a row, as sums.py names them.
enum { TB_POSTS_SUM, TB_COLLECTED_SUM, TB_COVERED_POSTS, TB_COVERED_COMMENTS, TB_TOTAL_SUM, TB_ENGAGED, TB_ENGAGEMENT };
enum { TB_RATED = 7, TB_RATED_VIEWS, TB_REPLIES_SUM, TB_EVENTS_SUM, TB_LATE_SUM, TB_VALUE_SUMS, TB_KNOWN_SUMS = 20 };
enum { TB_LACKING_SUMS = 28, TB_SUMS = 36 };

// Places in what a minute brought, as windows.py names them.
enum { TB_KNOWN = 8, TB_LACKING = 16, TB_CAME = 24, TB_REPLIED, TB_READ, TB_RESTATED, TB_BROUGHT = 31 };

enum { TB_POINT = 5, TB_PLATFORM_SIZE = 32, TB_PARENTS = 3 };
enum { TB_OF_POST, TB_OF_CONTENT, TB_OF_PLATFORM, TB_OF_CAMPAIGN, TB_SCOPES };  // places of rows by scope

// Texts of a row, as native.h names them.
enum { TB_KEY, TB_KEY_TEXT, TB_SCOPE, TB_BRAND_TEXT, TB_CAMPAIGN_TEXT, TB_CONTENT_TEXT, TB_PLATFORM_TEXT };
enum { TB_ACCOUNT_TEXT = 7, TB_POST_KEY_TEXT, TB_PLACEMENT_TEXT, TB_TEXTS };

typedef struct {
  uint8_t *bytes;
  int32_t ends[TB_TEXTS];
} tb_texts;

typedef struct {
  int64_t values[TB_METRICS], sequences[TB_METRICS], before[TB_METRICS], comments, replies, restated[4];
  int16_t minute;
  uint8_t reasons[TB_METRICS];
} tb_minute;

// settled: the revision that days and parents have.
typedef struct {
  int64_t hour, as_of, revision, settled;
  tb_minute *minutes;
  size_t count, room;
  bool is_changed, is_owed;  // since it was staged; staged for the table and not yet published
} tb_post_hour;

typedef struct {
  int64_t day, as_of, revision, sums[TB_BROUGHT];
  bool is_changed, is_owed;
} tb_day;

typedef struct {
  tb_day *days;
  size_t count, room;
} tb_days;

typedef struct {
  int64_t minute, sums[TB_BROUGHT];
} tb_total_minute;

typedef struct {
  int64_t hour, as_of, revision;
  tb_total_minute *minutes;  // by minute
  size_t count, room;
  bool is_changed, is_owed;
} tb_total_hour;

// Comments by hour of the week, from Monday midnight in Shanghai; by hour, without zeros.
typedef struct {
  int64_t hour, count;
} tb_activity_hour;

typedef struct {
  tb_activity_hour *hours;
  size_t count, room;
} tb_activity;

typedef struct {
  int64_t age, figures[TB_POINT];
} tb_point;

typedef struct {
  int64_t age, sequences[TB_METRICS], values[TB_METRICS];
} tb_mark;

// A minute as it was settled, kept on its first change since.
typedef struct {
  int64_t minute, brought[TB_BROUGHT];
} tb_touched_minute;

typedef struct {
  int64_t numbers[TB_NUMBERS], before[TB_SUMS];  // before: what its parents have of it
  tb_texts texts;
  int64_t totals[TB_PARENTS];
  tb_activity activity, came;  // came: since it was settled
  tb_mark *marks;
  tb_point *curve;  // as its parents have it
  size_t marks_count, marks_room, curve_count, curve_room;
  tb_post_hour *hours;
  size_t hours_count, hours_room;
  tb_days days;
  tb_touched_minute *touched;
  size_t touched_count, touched_room;
  bool is_settled;  // its parents have it at all
  bool is_changed;  // parents are to follow
  bool is_to_write;
} tb_post_state;

typedef struct {
  uint8_t name[TB_PLATFORM_SIZE];
  int64_t size, at;
} tb_seen;

// followers_row and followers_shown: as they stand in the row of the table and in what is published. followers: of all
// accounts, TB_NONE unless each is known. home: partition of its brand.
typedef struct {
  int64_t sums[TB_SUMS], as_of, published, follower_events, followers, home;
  tb_texts texts;
  tb_activity activity;
  tb_point *curve;
  size_t curve_count, curve_room;
  tb_seen *seen;
  size_t seen_count, seen_room;
  uint8_t *followers_row, *followers_shown;
  int64_t followers_row_size, followers_shown_size;
  tb_total_hour *hours;
  size_t hours_count, hours_room;
  tb_days days;
  int scope;
  bool is_to_write, is_owed;
} tb_total;

static inline const uint8_t *tb_text_of(const tb_texts *texts, int which, size_t *size) {
  int32_t from = which ? texts->ends[which - 1] : 0;
  *size = (size_t)(texts->ends[which] - from);
  return texts->bytes + from;
}

static inline int64_t tb_later(int64_t one, int64_t other) {
  return one > other ? one : other;
}
#endif
