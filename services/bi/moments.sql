-- Every event in whole minutes of event time, and how far its partition had come when it arrived.
CREATE TABLE moment AS
SELECT
    *,
    minute < oldest AS too_late
FROM (
    SELECT
        *,
        -- Windows that end at `closed` or before are closed; minutes before `oldest` change no window any more.
        epoch_us(max(event_at) OVER arrival) // 60000000 - 10 AS closed,
        epoch_us(max(event_at) OVER arrival) // 60000000 - 10080 AS oldest
    FROM (
        SELECT *, least(occurred_at, observed_at) AS event_at, epoch_us(least(occurred_at, observed_at)) // 60000000 AS minute
        FROM event
    )
    WINDOW arrival AS (PARTITION BY partition ORDER BY "offset" ROWS UNBOUNDED PRECEDING)
);

-- Snapshots: those more than an hour behind the newest one of their post, or too late, are in no window.
CREATE TABLE snapshot AS
SELECT
    partition, "offset", post_key, sequence, event_at, minute, closed,
    NOT too_late AND minute >= coalesce(max(CASE WHEN NOT too_late THEN minute END) OVER (
        PARTITION BY post_key ORDER BY "offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), minute) - 60 AS in_window
FROM moment WHERE type = 'MetricsObserved';

-- Comments and replies as they came: each belongs to the minute in which it was first told of.
-- counts: whether it counts after this event; changed: whether that is new.
CREATE TABLE item AS
WITH told AS (
    SELECT
        partition, "offset", post_key, type = 'ReplyPosted' AS is_reply, coalesce(reply_id, comment_id) AS item_id,
        closed, oldest,
        first_value(minute) OVER arrival AS minute,
        NOT (max({'v': CASE WHEN type = 'ReplyPosted' THEN 1 ELSE version END, 'd': deleted}) OVER arrival).d AS counts
    FROM moment WHERE type IN ('CommentObserved', 'ReplyPosted')
    WINDOW arrival AS (
        PARTITION BY post_key, type, CASE WHEN type = 'ReplyPosted' THEN reply_id ELSE comment_id END
        ORDER BY "offset" ROWS UNBOUNDED PRECEDING
    )
)
SELECT
    *,
    minute < oldest AS too_late,
    counts <> coalesce(lag(counts) OVER (PARTITION BY post_key, is_reply, item_id ORDER BY "offset"), false) AS changed
FROM told;
