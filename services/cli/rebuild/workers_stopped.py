"""The aggregator workers of the pipeline on this machine: out of the way while their state is made anew."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from services.cli.local.holds import hold
from services.cli.local.layout import Layout
from services.cli.local.session import owner_of
from services.cli.rebuild.renewal import RenewalError, Told
from services.engagement_aggregator.settings import AggregatorSettings
from services.runtime.kafka.admin import members

SERVICE = "engagement_aggregator"  # as its folder and its process are called
LEAVE_WITHIN_S = 60.0
COME_BACK_WITHIN_S = 60.0
_LOOK_S = 0.5


def workers_here(layout: Layout, bootstrap: str) -> int:
    """How many run under the supervisor of this folder, if its pipeline is the one on that cluster."""
    if owner_of(layout) is None:
        return 0
    with suppress(OSError, ValueError):
        if json.loads(layout.addresses.read_bytes()).get("kafka") == bootstrap:
            return _running(layout)
    return 0


@contextmanager
def at_rest(settings: AggregatorSettings, layout: Layout, workers: int, told: Told) -> Iterator[None]:
    """Within this the workers of this machine are stopped; they are started again however it ends.

    Raises RenewalError where the group does not get empty, because there are workers elsewhere, or where the workers
    do not come back.
    """
    if not workers:
        yield
        return
    with hold(layout, SERVICE):
        _await(
            lambda: not _running(layout) and members(settings.kafka, settings.application) == 0, LEAVE_WITHIN_S,
            lambda share: told("停下汇总进程 / stopping the workers", int(100 * share), 100),
            "还有别处的汇总进程在运行，请先停止它们 / there are aggregator workers elsewhere, stop them first",
        )  # fmt: skip
        yield
    _await(
        lambda: min(_running(layout), members(settings.kafka, settings.application)) >= workers, COME_BACK_WITHIN_S,
        lambda share: told("启动汇总进程 / starting the workers again", int(100 * share), 100),
        f"已重建，但汇总进程没有回来，见 {layout.log} / rebuilt, but the workers did not come back, see the logs there",
    )  # fmt: skip


def _running(layout: Layout) -> int:
    """Processes that the supervisor has not seen end; a member of the group may be somebody else's or long gone."""
    return len(list(layout.run.glob(f"{SERVICE}-*.pid")))


def _await(reached: Callable[[], bool], within_s: float, told: Callable[[float], None], otherwise: str) -> None:
    began = time.monotonic()
    while not reached():
        waited = time.monotonic() - began
        if waited > within_s:
            raise RenewalError(otherwise)
        told(waited / within_s)
        time.sleep(_LOOK_S)
