#ifndef TB_SETTLE_H
#define TB_SETTLE_H
#include "posts.h"

// Kinds of tb_need.
enum { TB_POST_HOUR, TB_POST_DAY, TB_TOTAL_HOUR, TB_TOTAL_DAY };

// Take everything that came in for a post.
int64_t tb_waiting_apply(tb_posts *posts, int64_t post, int64_t *missing);
#endif
