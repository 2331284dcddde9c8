"""In which order the files of the suite run, so that its end is not spent on waiting for the longest of them."""

from __future__ import annotations

import pytest

# What takes longest, by measurement. These files are spread over the first part of the run: at its end, when there is
# nothing else to do beside them, they would decide how long it takes, and all at once they would crowd the machine.
LONGEST = (
    "cli/commands/test_demo.py", "chaos/test_chaos.py", "engagement_aggregator/process/test_crashes.py",
    "cli/commands/test_up_down.py", "engagement_aggregator/state/test_recovery.py", "pipeline/test_collector.py",
    "pipeline/faults/test_crashes.py", "cli/commands/test_dlq.py", "engagement_aggregator/process/test_rebalances.py",
    "pipeline/test_stages.py", "bi/test_guide.py", "publisher/http/test_api.py", "pipeline/faults/test_zombies.py",
    "pipeline/test_control.py", "pipeline/test_media.py", "cli/commands/test_rebuild.py",
    "engagement_aggregator/partitions/test_ownership.py", "pipeline/faults/test_bursts.py",
    "adapter/accounts/test_shared_tokens.py", "pipeline/faults/test_workers.py", "runtime/test_consume.py",
    "publisher/desks/test_outage.py", "runtime/test_embedded_broker.py", "pipeline/test_callbacks.py",
    "runtime/kafka/test_access.py", "chaos/test_cluster.py", "engagement_aggregator/process/test_broker_trouble.py",
    "feedback_collector/test_hostile_callbacks.py", "publisher/http/test_hostile_clients.py",
)  # fmt: skip
SPREAD_OVER = 0.6  # of the files


def put_in_order(items: list[pytest.Item]) -> None:
    """Files that take long come early and apart from each other; within a file the order stays."""
    files = {str(item.path): None for item in items}
    last = max(1, int(len(files) * SPREAD_OVER / len(LONGEST)))
    place = {name: float(number) for number, name in enumerate(one for one in files if _rank(one) is None)}
    place |= {name: rank * last - 0.5 for name in files if (rank := _rank(name)) is not None}
    items.sort(key=lambda item: place[str(item.path)])


def _rank(path: str) -> int | None:
    return next((rank for rank, name in enumerate(LONGEST) if path.endswith(f"/tests/{name}")), None)
