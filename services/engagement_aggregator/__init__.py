"""The Faust app: keeps cross-platform aggregates current, exact after crashes, rebalances and replays."""
