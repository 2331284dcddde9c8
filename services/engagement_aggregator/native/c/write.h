// Rows as they are written: the table's own as in aggregate_state.py, the published ones as in aggregate.py and window.py.
#ifndef TB_WRITE_H
#define TB_WRITE_H
#include "out.h"

// How a published fact begins, up to its trace_id; word: of the hour or day that it is of, size 0 for none.
void tb_put_fact(tb_out *out, const char *type, const tb_texts *texts, const uint8_t *word, size_t size, int64_t as_of,
                 int64_t revision);

// The key of a published row, without quotes.
void tb_put_name(tb_out *out, const tb_texts *texts, const uint8_t *word, size_t size);

// A comma, a name, and a text of the row; the name of a metric or platform, as a key; when platforms were seen.
void tb_put_field(tb_out *out, const char *name, const tb_texts *texts, int which);
void tb_put_metric(tb_out *out, int metric);
void tb_put_platform(tb_out *out, const tb_seen *seen);
void tb_put_newest(tb_out *out, const tb_seen *seen, size_t count);

void tb_write_post(tb_out *out, const tb_post_state *post);
void tb_write_post_hour(tb_out *out, const tb_texts *texts, const tb_post_hour *hour);
void tb_write_total(tb_out *out, const tb_total *total);
void tb_write_total_hour(tb_out *out, const tb_texts *texts, const tb_total_hour *hour);
void tb_write_day(tb_out *out, const tb_texts *texts, const tb_day *day);
void tb_write_campaign_totals(tb_out *out, const tb_total *total);

void tb_publish_post(tb_out *out, const tb_post_state *post);
void tb_publish_total(tb_out *out, const tb_total *total);

void tb_publish_post_hour(tb_out *out, const tb_texts *texts, const tb_post_hour *hour);
void tb_publish_total_hour(tb_out *out, const tb_texts *texts, const tb_total_hour *hour);
void tb_publish_day(tb_out *out, const tb_texts *texts, const tb_day *day);
#endif
