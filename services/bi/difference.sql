-- Takes the rows of `unequal` (key, expected, got; nothing where there is no such row) apart into their single numbers.
CREATE OR REPLACE TABLE difference AS
WITH want AS (
    SELECT u.key, substr(j.fullkey, 3) AS field, j.atom::VARCHAR AS number
    FROM unequal AS u, json_tree(to_json(u.expected)) AS j
    WHERE u.expected IS NOT NULL AND u.got IS NOT NULL AND j.atom IS NOT NULL
),
have AS (
    SELECT u.key, substr(j.fullkey, 3) AS field, j.atom::VARCHAR AS number
    FROM unequal AS u, json_tree(to_json(u.got)) AS j
    WHERE u.expected IS NOT NULL AND u.got IS NOT NULL AND j.atom IS NOT NULL
)
SELECT
    coalesce(w.key, h.key) AS key, coalesce(w.field, h.field) AS field, w.number AS expected, h.number AS got
FROM want AS w FULL JOIN have AS h ON w.key = h.key AND w.field = h.field
WHERE w.number IS DISTINCT FROM h.number
UNION ALL
SELECT key, 'row', CASE WHEN expected IS NULL THEN 'absent' ELSE 'present' END,
    CASE WHEN got IS NULL THEN 'absent' ELSE 'present' END
FROM unequal WHERE expected IS NULL OR got IS NULL;
