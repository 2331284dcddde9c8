// Rows as they are written: the table's own as in aggregate_state.py, the published ones as in aggregate.py and window.py.
#ifndef TB_WRITE_H
#define TB_WRITE_H
#include "out.h"

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
