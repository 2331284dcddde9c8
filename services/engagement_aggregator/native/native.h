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
// Forget every post; comments and replies stay.
void tb_posts_clear(tb_posts *posts);

// A post by seven names, one after the other in `names`: post_key, brand_id, campaign_id, content_id, placement_id,
// platform, account. is_new: nothing of it is on disk. Its number counts from 0; -1 where memory is short or a name is
// too long.
int64_t tb_post_add(tb_posts *posts, const uint8_t *names, const int32_t sizes[7], int32_t is_new);

// What Python knows of a post. sequence: the highest; newest: the newest observation, INT64_MIN for none. Snapshots
// like the last one may follow where pattern >= 0: two bits per metric (0 value, else the reason's code), then a bit
// for having no total. minute: that the last one was taken in; their event times lie in after < t <= until.
void tb_post_resume(tb_posts *posts, int64_t post, int64_t sequence, int64_t newest, int64_t pattern, int64_t minute,
                    int64_t after, int64_t until);

// Up to `room` groups of a post, in order; they are forgotten here. newest: as above.
int64_t tb_post_take(tb_posts *posts, int64_t post, tb_group *into, int64_t room, int64_t *newest);

// Posts that something came in for since the last call, by number; returns how many, `room` of them at most.
int64_t tb_posts_touched(tb_posts *posts, int64_t *into, int64_t room);

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

// What was staged is on disk.
void tb_items_written(tb_posts *posts);

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

// One event as the scan reads it, for tests. kind: 0 not in the contract's own form, 1 snapshot, 2 comment, 3 reply.
// spans: start and size of the seven names and of the id of a comment or reply.
typedef struct {
  int64_t kind, occurred, observed, spans[16], sequence, pattern, values[8], total, version, deleted;
} tb_event;

void tb_read(const uint8_t *value, size_t size, tb_event *into);
#endif
