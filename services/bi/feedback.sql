-- The feedback as it stands on the topic, one line per record, values typed and nothing counted yet.
-- `metric(name)` and `raw(partition, offset, value)` exist; refused records are not among them.
CREATE TABLE event AS
SELECT
    partition,
    "offset",
    value.* EXCLUDE (observed_at, occurred_at, published_at, version, deleted),
    coalesce(value.version, 1) AS version,
    coalesce(value.deleted, false) AS deleted,
    value.observed_at::TIMESTAMPTZ AS observed_at,
    value.occurred_at::TIMESTAMPTZ AS occurred_at,
    value.published_at::TIMESTAMPTZ AS published_at
FROM raw;

-- One line per snapshot and metric; a metric that a snapshot does not name is one its platform does not have.
CREATE TABLE reading AS
SELECT
    e.post_key,
    m.name AS metric,
    e.partition,
    e."offset",
    e.sequence,
    e.occurred_at,
    e.observed_at,
    e.readings[m.name].value AS value,
    CASE WHEN e.readings[m.name].value IS NULL THEN coalesce(e.readings[m.name].reason, 'unsupported') END AS reason
FROM event AS e CROSS JOIN metric AS m
WHERE e.type = 'MetricsObserved';
