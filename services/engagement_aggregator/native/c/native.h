// What Python sees of the library; native/library.py reads the declarations of this file. Times are µs since the epoch.
#ifndef TB_NATIVE_H
#define TB_NATIVE_H
#include <stddef.h>
#include <stdint.h>

// One record of a broker batch: where its key and value stand in the bytes of the batch; a size of -1 means null.
typedef struct {
  int64_t offset;
  int32_t key_at, key_size, value_at, value_size;
} tb_record;

// The records of an uncompressed batch, from the first byte after its head; -1 if they are not what the head promises.
int64_t tb_records(const uint8_t *bytes, size_t size, int64_t base_offset, int64_t count, tb_record *into);

// Snapshots of one post in one minute that followed each other in order. at: newest observed_at. values: of the last
// one, those that the post's pattern lacks are 0; total: of comments.
// Where sequence is 0: new comments and replies of one minute. count: all; values: how many comments and how many
// replies count; at: newest observed_at of these.
typedef struct {
  int64_t minute, count, sequence, at, values[8], total;
} tb_group;

// A comment or reply (kind 2, 3) that Python has to look up. moved: it is the newest observation of its post. id_at: in
// the scanned bytes.
typedef struct {
  int64_t kind, post, id_at, id_size, version, deleted, minute, seen, moved;
} tb_asked;

// Where a scan stands. open_from: from here on windows are open. turn: the minute ends in which all that holds.
// watermark and next (number of a record) are carried on; asked: how many were written.
typedef struct {
  int64_t open_from, turn, watermark, next, asked;
} tb_scan_state;

typedef struct tb_posts tb_posts;

tb_posts *tb_posts_new(void);
void tb_posts_free(tb_posts *posts);
// A post by seven names, one after the other in `names`: post_key, brand_id, campaign_id, content_id, placement_id,
// platform, account. is_new: nothing of it is on disk. Its number counts from 0; -1 where memory is short or a name is
// too long.
int64_t tb_post_add(tb_posts *posts, const uint8_t *names, const int32_t sizes[7], int32_t is_new);

// What Python knows of a post. sequence: the highest; newest: the newest observation, INT64_MIN for none. Snapshots
// like the last one may follow where pattern >= 0: two bits per metric (0 value, else the reason's code), then a bit
// for having no total. minute: that the last one was taken in; their event times lie in after < t <= until.
void tb_post_resume(tb_posts *posts, int64_t post, int64_t sequence, int64_t newest, int64_t pattern, int64_t minute,
                    int64_t after, int64_t until);

// How many posts something came in for that is not settled.
int64_t tb_posts_touched(const tb_posts *posts);

// What is known here of an item of a post, kind as in tb_asked: 1 and its version, deleted and minute, or 0.
int tb_item_find(tb_posts *posts, int64_t post, int64_t kind, const uint8_t *id, int64_t size, int64_t into[3]);

// Remember an item that Python keeps the row of.
void tb_item_kept(tb_posts *posts, int64_t post, int64_t kind, const uint8_t *id, int64_t size);

// Rows of items that no earlier call has told, a page at a time: key and value of each, sizes in pairs. Returns how many
// pages; fewer than `room` are the last ones. They stay as they are until they are released, each once.
typedef struct tb_page tb_page;
typedef struct {
  tb_page *page;
  uint8_t *rows;
  int32_t *sizes;
  int64_t size, count;
} tb_staged;

int64_t tb_items_staged(tb_posts *posts, tb_staged *into, int64_t room);
void tb_page_release(tb_page *page);
int64_t tb_items_waiting(const tb_posts *posts);

// What was staged is on disk: hours and days that are over are forgotten. How many bytes the posts and parents take.
int64_t tb_written(tb_posts *posts);

// Forget posts and parents that are on disk as they are. posts, totals: by number, the new number or -1. How many posts
// are left; -1 where memory is short, and nothing has changed.
int64_t tb_forget(tb_posts *posts, int64_t *posts_into, int64_t *totals_into);

// Go on from state->next until all records are done (0), the next one is for Python, which steps over it (1), or there is
// no more room for questions (2).
int tb_scan(tb_posts *posts, const uint8_t *bytes, const tb_record *records, int64_t count, tb_scan_state *state,
            tb_asked *asked, int64_t room);

// Keyed rows one after the other in a block: key and value of each, sizes in pairs; a value's size of -1 means null.
// Their size in all; -1 where a size is none.
int64_t tb_rows_size(const int32_t *sizes, int64_t rows);

// Where a record batch stands that is filled with rows. row: the next one; at: where it begins in its block; count,
// size: of what is in the batch already, its head included.
typedef struct {
  int64_t row, at, count, size;
} tb_batch;

// Step over the rows that fit into a batch of `largest` bytes; the first one always does.
void tb_batch_plan(const int32_t *sizes, int64_t rows, int64_t largest, tb_batch *batch);

// Write rows as records of a batch, the first as record `number`; how many bytes that took, -1 where room is short.
int64_t tb_batch_write(const uint8_t *block, const int32_t *sizes, int64_t rows, int64_t number, uint8_t *into,
                       int64_t room);

// --- Rows. Functions that return an int give -1 where memory is short; then nothing of `posts` may be used any more. ---

// A post whose row is in hand; then come its numbers, and tb_post_loaded where its parents have it already. texts: key,
// the same as JSON has it without quotes, and as JSON has them: scope, brand_id, campaign_id, content_id, platform,
// account, post_key, placement_id. totals: numbers of content, campaign on the platform, campaign.
int tb_post_load(tb_posts *posts, int64_t post, const uint8_t *texts, const int32_t *sizes, const int64_t totals[3],
                 int32_t is_settled);
void tb_post_loaded(tb_posts *posts, int64_t post);

// 45 numbers that may be changed, until the next post is added: as in PostState, eight of each of its lists; as_of,
// newest, published_at, comments, comments_total, comments_total_sequence, replies, events, late, minute, and the index:
// bits of the double, age, sample. Times in µs, INT64_MIN for null.
int64_t *tb_post_numbers(tb_posts *posts, int64_t post);

// Take what waits for a post: 0, or 1 where the row of the missing hour has to be loaded first, or 2: memory is short.
int64_t tb_post_apply(tb_posts *posts, int64_t post, int64_t *missing);

// As above, for items of an open minute that Python has looked up. at: observed_at.
int64_t tb_post_count(tb_posts *posts, int64_t post, int64_t minute, int64_t comments, int64_t replies, int64_t at,
                      int64_t *missing);

// The post is to be written with the next flush; is_counted: and its parents are to follow.
int tb_post_changed(tb_posts *posts, int64_t post, int32_t is_counted);

// came: it is news for the parents.
int tb_post_activity(tb_posts *posts, int64_t post, int64_t hour_of_week, int64_t change, int32_t came);

// Marks by 17 numbers: age, eight sequences, eight values. is_settled: the parents have them.
int tb_post_marks_put(tb_posts *posts, int64_t post, const int64_t *marks, int64_t count, int32_t is_settled);
int64_t tb_post_marks_get(tb_posts *posts, int64_t post, int64_t *into, int64_t room);

// Minutes by 39 numbers, in the order of their type. The row of an hour is loaded once, and put when Python has changed
// it; get returns how many minutes it has, or -1 if it is not here or there is not so much room. head: as_of, revision.
int tb_post_hour_load(tb_posts *posts, int64_t post, int64_t hour, int64_t as_of, int64_t revision,
                      const int64_t *minutes, int64_t count);
int tb_post_hour_put(tb_posts *posts, int64_t post, int64_t hour, int64_t as_of, int64_t revision,
                     const int64_t *minutes, int64_t count);
int64_t tb_post_hour_get(tb_posts *posts, int64_t post, int64_t hour, int64_t *head, int64_t *into, int64_t room);

// A parent by its 36 sums, as_of, published_at, follower_events and the partition of its brand; scope: its place in
// tb_flush; is_new: it is not on disk. Its number, from 0. texts as above.
int64_t tb_total_add(tb_posts *posts, const uint8_t *texts, const int32_t *sizes, const int64_t *numbers, int32_t scope,
                     int32_t is_new);
int tb_total_activity(tb_posts *posts, int64_t total, int64_t hour_of_week, int64_t count);
int tb_total_point(tb_posts *posts, int64_t total, const int64_t *numbers);
int tb_total_seen(tb_posts *posts, int64_t total, const uint8_t *platform, int64_t size, int64_t at);

// Followers as they stand in the row and in what is published. value: of all, INT64_MIN unless each is known.
int tb_total_followers(tb_posts *posts, int64_t total, const uint8_t *row, int64_t row_size, const uint8_t *shown,
                       int64_t shown_size, int64_t value);
// Followers were observed: 1 if that changes the row.
int tb_total_followed(tb_posts *posts, int64_t total, int64_t at, int32_t is_news);

// minutes: of the hour, and its 31 sums.
int tb_total_hour_load(tb_posts *posts, int64_t total, int64_t hour, int64_t as_of, int64_t revision,
                       const int64_t *minutes, int64_t count);
int tb_day_load(tb_posts *posts, int32_t is_total, int64_t owner, int64_t day, int64_t as_of, int64_t revision,
                const int64_t *sums);

// Rows that have to be loaded before everything can be settled. kind: 0 hour of a post, 1 its day, 2 hour of a parent, 3
// its day.
typedef struct {
  int64_t kind, owner, number;
} tb_need;

// How many; 0: settle now. -1 where memory is short.
int64_t tb_needs(tb_posts *posts, tb_need *into, int64_t room);
int tb_settle(tb_posts *posts);

// Keyed rows in a block, as above.
typedef struct {
  uint8_t *bytes;
  int32_t *sizes;
  int64_t size, count;
} tb_rows;

// Rows that changed since they were last staged: of the table, aggregates and windows as they are published, and totals
// of campaigns with the partitions of their brands. scopes: aggregates of posts, contents, campaigns on a platform,
// campaigns. The caller frees each block, and what it holds of sizes and homes.
typedef struct {
  tb_rows table, aggregates, windows, campaigns;
  int64_t *homes, scopes[4];
} tb_flush;

// is_full: parents and windows are published, too, those that are owed from flushes before as well.
int tb_stage(tb_posts *posts, int32_t is_full, tb_flush *into);

// Hours of posts of which something is owed, in pairs of post and hour; and parents that are, by number. How many; into
// NULL they are only counted.
int64_t tb_owed(const tb_posts *posts, int64_t *into);
int64_t tb_owed_totals(const tb_posts *posts, int64_t *into);

// An hour of a post, and all that follows it, is owed from a process before: 0, or so many rows that have to be loaded
// first, eight at most.
int64_t tb_owe(tb_posts *posts, int64_t post, int64_t hour, tb_need *into);
void tb_owe_total(tb_posts *posts, int64_t total);
void tb_free(void *block);

// One event as the scan reads it, for tests. kind: 0 not in the contract's own form, 1 snapshot, 2 comment, 3 reply.
// spans: start and size of the seven names and of the id of a comment or reply.
typedef struct {
  int64_t kind, occurred, observed, spans[16], sequence, pattern, values[8], total, version, deleted;
} tb_event;

void tb_read(const uint8_t *value, size_t size, tb_event *into);
#endif
