-- Rows of `wanted` and `found` that are not equal, for difference.sql.
CREATE OR REPLACE TABLE unequal AS
SELECT coalesce(e.key, p.row_key) AS key, e.figures AS expected, p.figures AS got
FROM wanted AS e FULL JOIN found AS p ON p.row_key = e.key
WHERE e.figures IS DISTINCT FROM p.figures;
