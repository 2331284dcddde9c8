"""`make bench`: the aggregator beside other ways to do its job, on one real broker, each checked before it counts."""
