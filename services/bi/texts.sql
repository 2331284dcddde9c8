-- Rows of `refolded` and `live` whose bytes differ, for difference.sql; there the order of fields is no number.
CREATE OR REPLACE TABLE unequal AS
SELECT coalesce(e.row_key, p.row_key) AS key, e.value::JSON AS expected, p.value::JSON AS got
FROM refolded AS e FULL JOIN live AS p ON p.row_key = e.row_key
WHERE e.value IS DISTINCT FROM p.value;
