-- Every window of every row of engagement-window, from `snapshot`, `reading`, `item` and `member`.

CREATE TABLE size AS
SELECT * FROM (VALUES ('1m', 1, 1), ('5m', 2, 5), ('1h', 3, 60), ('1d', 4, 1440)) AS t(size, rank, minutes);

-- What each minute of a post reads after its snapshots up to a moment: `series` names the moment, 'now' is all of them.
-- Others are the moments before and after a snapshot that came when its minute was closed.
CREATE TABLE series AS
WITH late AS (SELECT post_key, "offset", minute, closed FROM snapshot WHERE in_window AND minute < closed)
SELECT 'now' AS series, s.post_key, s."offset", s.sequence, s.minute, NULL::BIGINT AS closed, 0::BIGINT AS from_minute
FROM snapshot AS s WHERE s.in_window
UNION ALL
SELECT 'before ' || l."offset", s.post_key, s."offset", s.sequence, s.minute, l.closed, l.minute
FROM late AS l JOIN snapshot AS s ON s.post_key = l.post_key AND s.in_window AND s."offset" < l."offset"
UNION ALL
SELECT 'after ' || l."offset", s.post_key, s."offset", s.sequence, s.minute, l.closed, l.minute
FROM late AS l JOIN snapshot AS s ON s.post_key = l.post_key AND s.in_window AND s."offset" <= l."offset";

-- Growth: the value of the highest sequence of the minute less the newest value of an earlier minute.
CREATE TABLE grown AS
WITH minute_value AS (
    SELECT
        s.series, s.post_key, s.minute, r.metric, any_value(s.closed) AS closed, any_value(s.from_minute) AS from_minute,
        max_by(r.value, {'s': r.sequence, 'o': -r."offset"}) FILTER (r.value IS NOT NULL) AS value,
        CASE
            WHEN bool_or(r.reason = 'failed') THEN 'failed'
            WHEN bool_or(r.reason = 'not_yet') THEN 'not_yet'
            WHEN bool_or(r.reason = 'unsupported') THEN 'unsupported'
        END AS reason
    FROM series AS s JOIN reading AS r ON r.post_key = s.post_key AND r."offset" = s."offset"
    GROUP BY s.series, s.post_key, s.minute, r.metric
)
SELECT
    series, post_key, minute, metric, closed, from_minute,
    value - coalesce(last_value(value IGNORE NULLS) OVER (
        PARTITION BY series, post_key, metric ORDER BY minute ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS growth,
    CASE WHEN value IS NULL THEN reason END AS lacking
FROM minute_value;

-- Restated: changes of a minute that came when the window around it was closed.
CREATE TABLE minute_change AS
WITH vector AS (
    SELECT
        series, post_key, minute, any_value(closed) AS closed, any_value(from_minute) AS from_minute,
        list({'m': metric, 'g': growth, 'l': lacking} ORDER BY metric) AS brought
    FROM grown WHERE series <> 'now' GROUP BY series, post_key, minute
)
SELECT coalesce(a.post_key, b.post_key) AS post_key, a.minute, a.closed
FROM (SELECT *, replace(series, 'after ', '') AS moment FROM vector WHERE series LIKE 'after %') AS a
LEFT JOIN (SELECT *, replace(series, 'before ', '') AS moment FROM vector WHERE series LIKE 'before %') AS b
    ON b.moment = a.moment AND b.post_key = a.post_key AND b.minute = a.minute
WHERE a.brought IS DISTINCT FROM b.brought
UNION ALL
SELECT post_key, minute, closed FROM item WHERE changed AND NOT too_late;

CREATE TABLE placed AS
SELECT
    m.post_key, m.minute, z.size, z.rank, z.minutes,
    CASE WHEN z.size = '1d' THEN (m.minute + 480) // 1440 * 1440 - 480 ELSE m.minute // z.minutes * z.minutes END AS start
FROM (
    SELECT DISTINCT post_key, minute FROM snapshot WHERE in_window
    UNION
    SELECT post_key, minute FROM item WHERE NOT too_late AND changed
) AS m CROSS JOIN size AS z;

CREATE TABLE restated AS
SELECT p.post_key, p.minute, p.size, count(*) AS restated
FROM placed AS p JOIN minute_change AS c USING (post_key, minute)
WHERE p.start + p.minutes <= c.closed GROUP BY ALL;

-- Of comments those that counted when their minute was last within reach; of replies all that came in time.
CREATE TABLE counted AS
SELECT
    post_key, minute,
    count(*) FILTER (counts AND NOT is_reply) AS comments, count(*) FILTER (counts AND is_reply) AS replies
FROM (
    SELECT * FROM item WHERE NOT too_late
    QUALIFY row_number() OVER (PARTITION BY post_key, is_reply, item_id ORDER BY "offset" DESC) = 1
) GROUP BY ALL;

CREATE TABLE window_metric AS
SELECT
    m.key, p.size, p.start, g.metric,
    CASE WHEN count(g.growth) > 0 THEN sum(g.growth)::BIGINT END AS growth,
    count(g.growth) AS known,
    count(*) AS readings,
    CASE
        WHEN bool_or(g.lacking = 'failed') THEN 3
        WHEN bool_or(g.lacking = 'not_yet') THEN 2
        WHEN bool_or(g.lacking = 'unsupported') THEN 1
        ELSE 0
    END AS lacking
FROM member AS m
JOIN placed AS p USING (post_key)
JOIN grown AS g ON g.series = 'now' AND g.post_key = p.post_key AND g.minute = p.minute
WHERE m.scope <> 'brand'
GROUP BY ALL;

CREATE TABLE window_count AS
SELECT
    m.key, p.size, any_value(p.rank) AS rank, p.start,
    coalesce(sum(c.comments), 0)::BIGINT AS comments_collected,
    coalesce(sum(c.replies), 0)::BIGINT AS replies,
    coalesce(sum(r.restated), 0)::BIGINT AS restated
FROM member AS m
JOIN placed AS p USING (post_key)
LEFT JOIN counted AS c ON c.post_key = p.post_key AND c.minute = p.minute
LEFT JOIN restated AS r ON r.post_key = p.post_key AND r.minute = p.minute AND r.size = p.size
WHERE m.scope <> 'brand'
GROUP BY m.key, p.size, p.start;

CREATE TABLE window_row AS
WITH measured AS (
    SELECT
        key, size, start,
        map_from_entries(list({'k': metric, 'v': growth})) AS growth,
        max(readings) AS readings,
        map_from_entries(
            coalesce(list({'k': metric, 'v': known} ORDER BY metric) FILTER (known > 0 AND known < readings), [])
        ) AS partial
    FROM window_metric GROUP BY ALL
)
SELECT
    c.key,
    CASE
        WHEN c.size = '1d' THEN strftime(make_timestamp((c.start + 480) * 60000000), '%Y-%m-%d')
        ELSE strftime(make_timestamp(c.start // 60 * 60 * 60000000), '%Y-%m-%dT%HZ')
    END AS word,
    CASE WHEN c.size = '1d' THEN c.start ELSE c.start // 60 * 60 END AS row_start,
    list({
        'size': c.size,
        'start': epoch_ms(c.start * 60000) AT TIME ZONE 'UTC',
        'views': m.growth['views'], 'likes': m.growth['likes'], 'comments': m.growth['comments'],
        'shares': m.growth['shares'], 'saves': m.growth['saves'], 'follows': m.growth['follows'],
        'clicks': m.growth['clicks'], 'conversions': m.growth['conversions'],
        'comments_collected': c.comments_collected,
        'replies': c.replies,
        'readings': coalesce(m.readings, 0),
        'partial': coalesce(m.partial, map()),
        'restated': c.restated
    } ORDER BY c.rank, c.start) AS windows
FROM window_count AS c LEFT JOIN measured AS m ON m.key = c.key AND m.size = c.size AND m.start = c.start
GROUP BY ALL;

-- Why a metric that some window of the row has not is missing, over all minutes of the row.
CREATE TABLE window_missing AS
SELECT key, row_start, is_day, map_from_entries(list({'k': metric, 'v': reason} ORDER BY metric)) AS missing
FROM (
    SELECT
        w.key,
        w.size = '1d' AS is_day,
        CASE WHEN w.size = '1d' THEN w.start ELSE w.start // 60 * 60 END AS row_start,
        w.metric,
        CASE max(w.lacking) WHEN 3 THEN 'failed' WHEN 2 THEN 'not_yet' WHEN 1 THEN 'unsupported' END AS reason
    FROM window_metric AS w GROUP BY ALL
) AS l
JOIN (
    -- A window without any reading has no metric at all.
    SELECT r.key AS row_key, r.row_start AS at, r.word NOT LIKE '%Z' AS of_day, m.name
    FROM window_row AS r CROSS JOIN metric AS m
    WHERE len(list_filter(
        r.windows,
        lambda w: CASE m.name
            WHEN 'views' THEN w.views WHEN 'likes' THEN w.likes WHEN 'comments' THEN w.comments
            WHEN 'shares' THEN w.shares WHEN 'saves' THEN w.saves WHEN 'follows' THEN w.follows
            WHEN 'clicks' THEN w.clicks ELSE w.conversions
        END IS NULL
    )) > 0
) AS n ON n.row_key = l.key AND n.at = l.row_start AND n.of_day = l.is_day AND n.name = l.metric
WHERE l.reason IS NOT NULL
GROUP BY ALL;

CREATE TABLE expected_windows AS
SELECT
    w.key || '@' || w.word AS key,
    {
        'type': 'EngagementWindows',
        'schema_version': 1,
        'key': w.key || '@' || w.word,
        'aggregate_key': w.key,
        'trace_id': w.key,
        'scope': n.scope,
        'brand_id': n.brand_id,
        'campaign_id': n.campaign_id,
        'content_id': n.content_id,
        'platform': n.platform,
        'account': n.account,
        'post_key': n.post_key,
        'start': epoch_ms(w.row_start * 60000) AT TIME ZONE 'UTC',
        'windows': w.windows,
        'missing': coalesce(m.missing, map()),
        'wait_s': 600
    } AS figures
FROM window_row AS w
JOIN named AS n USING (key)
LEFT JOIN window_missing AS m ON m.key = w.key AND m.row_start = w.row_start AND m.is_day = (w.word NOT LIKE '%Z');
