// What a minute and a post bring to the rows above them.
#ifndef TB_FIGURES_H
#define TB_FIGURES_H
#include "state.h"

extern const int64_t TB_MISSING[4];  // by reason: readings without a value, counted in 20 bits each

bool tb_is_read(const tb_minute *minute);

// What a minute brought, so that windows and parents are sums.
void tb_brought(const tb_minute *minute, int64_t into[TB_BROUGHT]);

// What a post adds to each of its parents.
void tb_contribution(const tb_post_state *post, int64_t into[TB_SUMS]);

// What a post adds to the curve of its parents at the age of a mark.
tb_point tb_point_of(const tb_mark *mark);

int64_t tb_day_of(int64_t hour);
#endif
