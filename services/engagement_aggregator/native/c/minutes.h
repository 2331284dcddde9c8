// The minutes of one post: what snapshots, comments and replies that came in change in them.
#ifndef TB_MINUTES_H
#define TB_MINUTES_H
#include "posts.h"

typedef enum { TB_APPLIED, TB_HOUR_MISSING, TB_NO_MEMORY } tb_outcome;

// The hour of a post; NULL if it has not been loaded.
tb_post_hour *tb_hour_of(tb_post_state *post, int64_t hour);

// The hour, made if it is not there; NULL where memory is short.
tb_post_hour *tb_hour_made(tb_post_state *post, int64_t hour);

// The minute of an hour, put in its place if it is new, and remembered as it was settled; NULL where memory is short.
tb_minute *tb_minute_opened(tb_post_state *post, tb_post_hour *hour, int16_t minute);

// One group of a post. Nothing has changed unless it is applied; `missing`: the hour that is needed.
tb_outcome tb_group_apply(tb_post_state *post, const tb_post *scanned, const tb_group *group, int64_t *missing);

// Comments and replies of an open minute became more or fewer, in so many changes; as above.
tb_outcome tb_items_apply(tb_post_state *post, int64_t minute, int64_t comments, int64_t replies, int64_t at,
                          int64_t changes, int64_t *missing);
bool tb_activity_add(tb_activity *activity, int64_t hour, int64_t change);
int64_t tb_hour_of_week(int64_t hour);
#endif
