"""For BI, on DuckDB: exports of the published topics, and a recount of the feedback that testifies against the fold."""
