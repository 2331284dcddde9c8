-- Every figure of every row of engagement-aggregate, from `event` and `reading` alone.

-- Per post and metric: the value of the highest sequence, of equal ones the first; likewise the reason.
CREATE TABLE post_metric AS
SELECT
    p.post_key,
    m.name AS metric,
    max_by(r.value, {'s': r.sequence, 'o': -r."offset"}) FILTER (r.value IS NOT NULL) AS value,
    coalesce(max_by(r.reason, {'s': r.sequence, 'o': -r."offset"}) FILTER (r.reason IS NOT NULL), 'not_yet') AS reason
FROM (SELECT DISTINCT post_key FROM event WHERE post_key IS NOT NULL) AS p
CROSS JOIN metric AS m
LEFT JOIN reading AS r ON r.post_key = p.post_key AND r.metric = m.name
GROUP BY ALL;

-- A comment counts once whatever its versions; of one version the deletion wins.
CREATE TABLE post_comments AS
SELECT post_key, count(*) AS comments
FROM (
    SELECT post_key, comment_id, max({'v': version, 'd': deleted}).d AS gone
    FROM event WHERE type = 'CommentObserved' GROUP BY ALL
) WHERE NOT gone GROUP BY ALL;

CREATE TABLE post AS
WITH engagement AS (
    SELECT
        post_key,
        sum(value) FILTER (metric IN ('likes', 'comments', 'shares', 'saves')) AS engagement,
        max(value) FILTER (metric = 'views') AS views
    FROM post_metric GROUP BY ALL
)
SELECT
    e.post_key,
    any_value(e.brand_id) AS brand_id,
    any_value(e.campaign_id) AS campaign_id,
    any_value(e.content_id) AS content_id,
    any_value(e.placement_id) AS placement_id,
    any_value(e.platform) AS platform,
    any_value(e.account) AS account,
    max(e.observed_at) AS as_of,
    -- A snapshot in which every metric is missing observed nothing.
    max(e.observed_at) FILTER (
        e.type <> 'MetricsObserved'
        OR len(list_filter(map_values(e.readings), lambda r: r.value IS NOT NULL)) > 0
    ) AS newest,
    coalesce(any_value(c.comments), 0) AS comments,
    max_by(e.comments_total, {'s': e.sequence, 'o': -e."offset"}) FILTER (e.comments_total IS NOT NULL)
        AS comments_total,
    count(DISTINCT e.reply_id) FILTER (e.type = 'ReplyPosted') AS replies,
    any_value(g.engagement) AS engagement,
    any_value(g.views) AS views
FROM event AS e
LEFT JOIN post_comments AS c USING (post_key)
LEFT JOIN engagement AS g USING (post_key)
WHERE e.post_key IS NOT NULL
GROUP BY e.post_key;

-- Which rows there are, and which posts and followers each of them covers.
CREATE TABLE member AS
SELECT 'post:' || post_key AS key, 'post' AS scope, post_key FROM post
UNION ALL SELECT 'content:' || content_id, 'content', post_key FROM post
UNION ALL SELECT 'campaign_platform:' || campaign_id || ':' || platform, 'campaign_platform', post_key FROM post
UNION ALL SELECT 'campaign:' || campaign_id, 'campaign', post_key FROM post
UNION ALL SELECT 'brand:' || brand_id, 'brand', post_key FROM post;

CREATE TABLE follower_event AS
WITH told AS (
    SELECT brand_id, campaign_id, platform, account, observed_at, followers.value AS value, followers.reason AS reason
    FROM event WHERE type = 'FollowersObserved'
)
SELECT 'campaign:' || campaign_id AS key, 'campaign' AS scope, * FROM told
UNION ALL
SELECT 'campaign_platform:' || campaign_id || ':' || platform, 'campaign_platform', * FROM told
UNION ALL
SELECT 'brand:' || brand_id, 'brand', * FROM told;

CREATE TABLE named AS
WITH covered AS (
    SELECT m.key, m.scope, p.brand_id, p.campaign_id, p.content_id, p.platform, p.account, p.post_key, p.placement_id
    FROM member AS m JOIN post AS p USING (post_key)
    UNION ALL
    SELECT key, scope, brand_id, campaign_id, NULL, platform, NULL, NULL, NULL FROM follower_event
)
SELECT
    key,
    any_value(scope) AS scope,
    any_value(brand_id) AS brand_id,
    CASE WHEN any_value(scope) <> 'brand' THEN any_value(campaign_id) END AS campaign_id,
    CASE WHEN any_value(scope) IN ('post', 'content') THEN any_value(content_id) END AS content_id,
    CASE WHEN any_value(scope) IN ('post', 'campaign_platform') THEN any_value(platform) ELSE 'all' END AS platform,
    CASE WHEN any_value(scope) = 'post' THEN any_value(account) END AS account,
    CASE WHEN any_value(scope) = 'post' THEN any_value(post_key) END AS post_key,
    CASE WHEN any_value(scope) = 'post' THEN any_value(placement_id) END AS placement_id
FROM covered GROUP BY key;

-- The nine totals of a row: followers count each account once, the others each post once.
CREATE TABLE total AS
WITH account AS (
    SELECT
        key,
        'followers' AS metric,
        max_by(value, {'t': observed_at, 'v': value}) FILTER (value IS NOT NULL) AS value,
        coalesce(max_by(reason, {'t': observed_at, 'r': reason}) FILTER (reason IS NOT NULL), 'not_yet') AS reason
    FROM follower_event GROUP BY key, platform, account
),
each AS (
    SELECT m.key, v.metric, v.value, v.reason FROM member AS m JOIN post_metric AS v USING (post_key)
    UNION ALL SELECT key, metric, value, reason FROM account
)
SELECT
    n.key,
    m.metric,
    {
        'value': sum(e.value)::BIGINT,
        'known': count(e.value),
        'unknown': count(e.key) - count(e.value),
        'reason': CASE
            WHEN count(e.value) > 0 THEN NULL
            WHEN bool_or(e.reason = 'failed') THEN 'failed'
            WHEN bool_or(e.reason = 'not_yet') THEN 'not_yet'
            WHEN bool_or(e.reason = 'unsupported') THEN 'unsupported'
            ELSE 'not_yet'
        END
    } AS figures
FROM named AS n
CROSS JOIN (SELECT name AS metric FROM metric UNION ALL SELECT 'followers') AS m
LEFT JOIN each AS e ON e.key = n.key AND e.metric = m.metric
GROUP BY n.key, m.metric;

CREATE TABLE totals AS
SELECT key, map_from_entries(list({'k': metric, 'v': figures} ORDER BY metric)) AS totals FROM total GROUP BY key;

CREATE TABLE newest AS
SELECT key, map_from_entries(list({'k': platform, 'v': newest} ORDER BY platform)) AS newest_observation
FROM (
    SELECT m.key, p.platform, max(p.newest) AS newest
    FROM member AS m JOIN post AS p USING (post_key) WHERE p.newest IS NOT NULL GROUP BY ALL
) GROUP BY key;

CREATE TABLE as_of AS
SELECT key, max(moment) AS as_of FROM (
    SELECT m.key, p.as_of AS moment FROM member AS m JOIN post AS p USING (post_key)
    UNION ALL SELECT key, observed_at FROM follower_event
) GROUP BY key;

CREATE TABLE summed AS
SELECT
    m.key,
    count(*) AS posts,
    sum(p.comments)::BIGINT AS comments_collected,
    sum(p.comments_total)::BIGINT AS comments_total,
    sum(p.comments) FILTER (p.comments_total IS NOT NULL)::BIGINT AS covered,
    sum(p.replies)::BIGINT AS replies,
    sum(p.engagement)::BIGINT AS engagement,
    sum(p.engagement) FILTER (p.views IS NOT NULL)::BIGINT AS rated,
    sum(p.views) FILTER (p.engagement IS NOT NULL)::BIGINT AS rated_views
FROM member AS m JOIN post AS p USING (post_key)
GROUP BY m.key;

CREATE TABLE basic AS
SELECT
    n.key,
    {
        'type': 'EngagementAggregate',
        'schema_version': 1,
        'rate_formula': 'engagement_per_view/1',
        'key': n.key,
        'scope': n.scope,
        'brand_id': n.brand_id,
        'campaign_id': n.campaign_id,
        'content_id': n.content_id,
        'platform': n.platform,
        'account': n.account,
        'post_key': n.post_key,
        'placement_id': n.placement_id,
        'trace_id': n.key,
        'occurred_at': a.as_of,
        'observed_at': a.as_of,
        'as_of': a.as_of,
        'posts': coalesce(s.posts, 0),
        'totals': t.totals,
        'comments_collected': coalesce(s.comments_collected, 0),
        'comments_total': s.comments_total,
        'coverage': CASE
            WHEN s.comments_total IS NULL THEN NULL
            WHEN s.comments_total = 0 THEN 1.0::DOUBLE
            ELSE least(1.0::DOUBLE, s.covered::DOUBLE / s.comments_total::DOUBLE)
        END,
        'replies': coalesce(s.replies, 0),
        'newest_observation': coalesce(w.newest_observation, map()),
        'freshness_s': coalesce(
            map_from_entries(list_transform(
                map_entries(w.newest_observation),
                lambda e: {'k': e.key, 'v': (epoch_us(a.as_of) - epoch_us(e.value)) / 1e6::DOUBLE}
            )),
            map()
        ),
        'engagement': s.engagement,
        'engagement_rate': CASE WHEN s.rated_views > 0 THEN s.rated::DOUBLE / s.rated_views::DOUBLE END
    } AS figures
FROM named AS n
JOIN as_of AS a USING (key)
JOIN totals AS t USING (key)
LEFT JOIN summed AS s USING (key)
LEFT JOIN newest AS w USING (key);
