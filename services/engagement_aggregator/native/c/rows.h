// The rows that posts count in: contents, campaigns on a platform, campaigns; and the days of all rows.
#ifndef TB_ROWS_H
#define TB_ROWS_H
#include "posts.h"

bool tb_texts_copy(tb_texts *texts, const uint8_t *bytes, const int32_t *sizes);
tb_day *tb_day_in(tb_days *days, int64_t day);
tb_total_hour *tb_total_hour_of(tb_total *total, int64_t hour);

// The minute of a parent's hour, made if it is not there; NULL where memory is short.
tb_total_minute *tb_total_minute_made(tb_total_hour *hour, int64_t minute);

// Points of a curve and when platforms were seen grow by the difference, or by what is later; false where memory is short.
bool tb_curve_shift(tb_total *total, const tb_point *point, int64_t sign);
bool tb_see(tb_total *total, const uint8_t *platform, size_t size, int64_t at);

void tb_post_state_free(tb_post_state *post);
void tb_total_free(tb_total *total);
#endif
