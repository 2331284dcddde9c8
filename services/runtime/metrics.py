"""Every metric of every service: all names, labels and meanings stand here, so dashboards have one place to look."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

RECORDS = Counter("tongbo_records_total", "Records taken from a topic, by outcome", ["service", "topic", "outcome"])
DEAD_LETTERS = Counter("tongbo_dead_letters_total", "Records refused to the dead letter topic", ["service", "cause"])
TRANSACTIONS = Counter("tongbo_transactions_total", "Kafka transactions, by result", ["service", "result"])
TRANSACTION_SECONDS = Histogram(
    "tongbo_transaction_seconds", "Duration of committed Kafka transactions", ["service"], buckets=_SECONDS
)
WRITTEN = Counter("tongbo_records_written_total", "Records written in committed transactions", ["service", "topic"])
REBALANCES = Counter("tongbo_rebalances_total", "Changes of assignment, by kind", ["service", "kind"])
ASSIGNED = Gauge("tongbo_assigned_partitions", "Partitions this process owns now", ["service"])
CONSUMED_AGE = Gauge("tongbo_consumed_age_seconds", "Age of the newest record taken, when taken", ["service", "topic"])
LOOP_RESTARTS = Counter(
    "tongbo_loop_restarts_total", "Times the consume loop began anew, by cause", ["service", "cause"]
)
READY = Gauge("tongbo_ready", "1 while the service makes progress", ["service"])

PLACEMENTS = Counter("tongbo_placements_total", "Placements that entered a state", ["platform", "state"])
PLATFORM_CALLS = Counter(
    "tongbo_platform_calls_total", "Platform requests, by result class", ["platform", "endpoint", "result"]
)
PLATFORM_SECONDS = Histogram(
    "tongbo_platform_call_seconds", "Duration of platform requests", ["platform", "endpoint"], buckets=_SECONDS
)
BUDGET_WAIT_SECONDS = Histogram(
    "tongbo_budget_wait_seconds", "Waiting for a platform rate budget", ["platform"], buckets=_SECONDS
)
UNKNOWN_OUTCOMES = Gauge("tongbo_unknown_outcomes", "Placements whose outcome is unknown now", ["platform"])
COLLECTED = Counter("tongbo_feedback_events_total", "Feedback events written, by type", ["platform", "type"])
POLLS = Counter("tongbo_feedback_polls_total", "Polls of live posts, by result", ["platform", "result"])
COVERAGE = Gauge("tongbo_feedback_coverage_ratio", "Comments collected ÷ the platform's own total", ["platform"])
CALLBACKS = Counter("tongbo_callbacks_total", "Calls of platforms, by result", ["platform", "result"])
CALLBACKS_REFUSED = Counter(
    "tongbo_callbacks_refused_total", "Calls refused: not the platform's, replayed, malformed", ["platform", "reason"]
)
AGGREGATE_ROWS = Counter("tongbo_aggregate_rows_total", "Aggregate rows written, by scope", ["scope"])
FLUSH_SECONDS = Histogram("tongbo_aggregate_flush_seconds", "Duration of aggregate flushes", buckets=_SECONDS)
WEBHOOKS = Counter("tongbo_webhook_tries_total", "Tries to tell a receiver, by what came of it", ["event", "state"])
TROUBLES = Gauge("tongbo_troubles", "What the watchdog finds wrong now, by kind", ["kind"])
CANARY_SECONDS = Gauge("tongbo_canary_round_trip_seconds", "Last canary through the whole pipeline", ["platform"])
GROUP_LAG = Gauge("tongbo_group_lag_records", "Offsets a group is behind", ["group", "topic", "partition"])
GROUP_AGE = Gauge(
    "tongbo_group_oldest_waiting_seconds",
    "Age of the first record a group has not done",
    ["group", "topic", "partition"],
)
DENIED = Counter("tongbo_publisher_denied_total", "Requests refused to their sender, by reason", ["status", "reason"])
ACCEPTED = Counter("tongbo_publisher_requests_total", "Requests to the publisher, by result", ["operation", "result"])


def registry() -> CollectorRegistry:
    """The registry that `/metrics` shows."""
    return REGISTRY
