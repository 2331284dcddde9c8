-- Figures of a row that follow from age and event time: late, activity, curve, index; maturity and staleness at the end.

CREATE TABLE published AS
SELECT post_key, CASE WHEN moment < '2200-01-01 00:00:00+00'::TIMESTAMPTZ THEN moment END AS published_at
FROM (SELECT post_key, min_by({'at': published_at}, "offset").at AS moment FROM event GROUP BY ALL)
WHERE post_key IS NOT NULL;

-- A snapshot outside of all windows is late where it changed a value; a comment or reply where it changed the count.
CREATE TABLE late AS
WITH arriving AS (
    SELECT
        r.post_key, r."offset", s.in_window, r.sequence, r.value,
        max(r.sequence) FILTER (r.value IS NOT NULL) OVER before AS known_sequence,
        max_by(r.value, {'s': r.sequence, 'o': -r."offset"}) FILTER (r.value IS NOT NULL) OVER before AS known
    FROM reading AS r JOIN snapshot AS s ON s.partition = r.partition AND s."offset" = r."offset"
    WINDOW before AS (
        PARTITION BY r.post_key, r.metric ORDER BY r."offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT post_key, count(*) AS late
FROM (
    SELECT DISTINCT post_key, "offset" FROM arriving
    WHERE NOT in_window AND value IS NOT NULL AND sequence > coalesce(known_sequence, 0)
        AND value IS DISTINCT FROM known
    UNION ALL
    SELECT post_key, "offset" FROM item WHERE changed AND too_late
) GROUP BY ALL;

CREATE TABLE active AS
SELECT post_key, hour, count(*) AS comments
FROM (
    SELECT
        post_key,
        (((minute + 480) // 1440 + 3) % 7 + 1) || '-' || lpad(((minute + 480) // 60 % 24)::VARCHAR, 2, '0') AS hour,
        last_value(counts) OVER (
            PARTITION BY post_key, item_id ORDER BY "offset" ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS counts,
        row_number() OVER (PARTITION BY post_key, item_id ORDER BY "offset") AS number
    FROM item WHERE NOT is_reply
) WHERE number = 1 AND counts GROUP BY ALL;

-- Ages that a post was seen beyond, each with the newest snapshot (highest sequence) taken up to it.
CREATE TABLE aged AS
WITH reached AS (
    SELECT p.post_key, a.age_h, p.published_at + to_hours(a.age_h) AS until
    FROM published AS p
    CROSS JOIN (SELECT unnest([1, 2, 3, 6, 12, 24, 48, 72, 168]) AS age_h) AS a
    WHERE p.published_at + to_hours(a.age_h)
        < (SELECT max(event_at) FROM snapshot AS s WHERE s.post_key = p.post_key)
),
taken AS (
    SELECT
        t.post_key, t.age_h, r.metric,
        max_by(r.value, {'s': r.sequence, 'o': -r."offset"}) FILTER (r.value IS NOT NULL) AS value
    FROM reached AS t
    JOIN reading AS r ON r.post_key = t.post_key
    WHERE least(r.occurred_at, r.observed_at) <= t.until
    GROUP BY ALL
)
SELECT
    t.post_key,
    t.age_h,
    (sum(k.value) FILTER (k.metric = 'views'))::BIGINT AS views,
    (sum(k.value) FILTER (k.metric IN ('likes', 'comments', 'shares', 'saves')))::BIGINT AS engagement
FROM reached AS t LEFT JOIN taken AS k ON k.post_key = t.post_key AND k.age_h = t.age_h
GROUP BY ALL;

-- The index of a post: against the other posts of its account, of the last 20, at the highest age with three of them.
CREATE TABLE account_index AS
WITH compared AS (
    SELECT p.post_key, p.campaign_id, p.platform, p.account, u.published_at
    FROM post AS p JOIN published AS u USING (post_key)
    WHERE u.published_at IS NOT NULL
        AND p.post_key IN (SELECT post_key FROM aged WHERE engagement IS NOT NULL)
    QUALIFY row_number() OVER (
        PARTITION BY p.campaign_id, p.platform, p.account ORDER BY u.published_at DESC, p.post_key DESC
    ) <= 20
),
against AS (
    SELECT
        m.post_key, a.age_h, any_value(a.engagement) AS mine,
        median(o.engagement) AS normal, count(*) AS sample
    FROM compared AS m
    JOIN aged AS a ON a.post_key = m.post_key AND a.engagement IS NOT NULL
    JOIN compared AS n
        ON n.campaign_id = m.campaign_id AND n.platform = m.platform AND n.account = m.account
        AND n.post_key <> m.post_key
    JOIN aged AS o ON o.post_key = n.post_key AND o.age_h = a.age_h AND o.engagement IS NOT NULL
    GROUP BY ALL
)
SELECT post_key, age_h, mine::DOUBLE / normal AS index, sample
FROM against WHERE sample >= 3 AND normal > 0
QUALIFY row_number() OVER (PARTITION BY post_key ORDER BY age_h DESC) = 1;

CREATE TABLE rated AS
SELECT
    m.key,
    max(u.published_at) AS published_at,
    coalesce(sum(l.late), 0)::BIGINT AS late
FROM member AS m
LEFT JOIN published AS u USING (post_key)
LEFT JOIN late AS l USING (post_key)
GROUP BY m.key;

CREATE TABLE activity AS
SELECT key, map_from_entries(list({'k': hour, 'v': comments} ORDER BY hour)) AS activity
FROM (
    SELECT m.key, a.hour, sum(a.comments)::BIGINT AS comments
    FROM member AS m JOIN active AS a USING (post_key) GROUP BY ALL
) GROUP BY key;

CREATE TABLE curve AS
SELECT key, list({'age_h': age_h, 'posts': posts, 'views': views, 'engagement': engagement} ORDER BY age_h) AS curve
FROM (
    SELECT
        m.key, a.age_h::BIGINT AS age_h, count(*) AS posts,
        sum(a.views)::BIGINT AS views, sum(a.engagement)::BIGINT AS engagement
    FROM member AS m JOIN aged AS a USING (post_key) GROUP BY ALL
) GROUP BY key;

CREATE TABLE expected AS
SELECT
    b.key,
    struct_insert(
        b.figures,
        published_at := r.published_at,
        maturity := CASE
            WHEN r.published_at IS NULL THEN 'unknown'
            WHEN b.figures.as_of - r.published_at >= to_days(30) THEN 'final'
            WHEN b.figures.as_of - r.published_at >= to_days(7) THEN 'settling'
            ELSE 'provisional'
        END,
        -- Twice the time between two observations that are due, by the age of the newest post.
        stale_after := coalesce(
            map_from_entries(list_transform(
                map_entries(b.figures.newest_observation),
                lambda e: {'k': e.key, 'v': e.value + CASE
                    WHEN r.published_at IS NULL THEN to_hours(48)
                    WHEN e.value < r.published_at + to_hours(24) THEN to_hours(1)
                    WHEN e.value < r.published_at + to_hours(168) THEN to_hours(2)
                    WHEN e.value < r.published_at + to_hours(720) THEN to_hours(12)
                    ELSE to_hours(48)
                END}
            )),
            map()
        ),
        late := coalesce(r.late, 0),
        engagement_per_1000_followers := CASE
            WHEN b.figures.totals['followers'].value > 0 AND b.figures.totals['followers'].unknown = 0
            THEN b.figures.engagement::DOUBLE / b.figures.totals['followers'].value::DOUBLE * 1000
        END,
        account_index := CASE WHEN b.figures.scope = 'post' THEN x.index END,
        account_index_age_h := CASE WHEN b.figures.scope = 'post' THEN x.age_h::BIGINT END,
        account_index_sample := CASE WHEN b.figures.scope = 'post' THEN coalesce(x.sample, 0) ELSE 0 END,
        activity := coalesce(a.activity, map()),
        curve := coalesce(c.curve, []),
        formulas_version := 1
    ) AS figures
FROM basic AS b
LEFT JOIN rated AS r USING (key)
LEFT JOIN activity AS a USING (key)
LEFT JOIN curve AS c USING (key)
LEFT JOIN account_index AS x ON b.figures.scope = 'post' AND x.post_key = b.figures.post_key;
