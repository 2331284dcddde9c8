"""Canaries as their owner sees them: which depart, which are back, which are late and where those were last. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.internal.canary import CanaryPassed
from services.runtime import metrics
from services.runtime.canary import canary, departed
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger
from services.watchdog.trouble import Trouble

KIND = "canary_lost"
KEPT = timedelta(minutes=15)  # what is older is read from the topic after a restart and is nobody's concern now

log = get_logger(__name__)


def route(platform: str) -> tuple[str, ...]:
    """The stages of the pipeline for one platform, in order."""
    return "publisher", f"adapter-{platform}", "feedback-collector", "engagement-aggregator"


@dataclass(slots=True)
class _Flight:
    """seen: the newest of what is known of it. returned_at: when the last stage passed it on."""

    seen: CanaryPassed
    returned_at: datetime | None = None


class Canaries:
    """All canaries of the last while. A canary is late when it is not back `within` its start."""

    def __init__(self, platforms: Sequence[str], within: timedelta) -> None:
        self._platforms, self._within = tuple(platforms), within
        self._flights: dict[str, _Flight] = {}

    def departures(self, now: datetime, partition: int) -> list[Outgoing]:
        """A new canary for each platform, on that partition."""
        made = [
            CanaryPassed(
                canary_id=f"canary-{platform}-{int(now.timestamp() * 1000)}",
                platform=platform,
                route=route(platform),
                started_at=now,
            )
            for platform in self._platforms
        ]
        for one in made:
            self._flights[one.canary_id] = _Flight(one)
        return [departed(one, partition) for one in made]

    def seen(self, record: Record, now: datetime) -> None:
        """One record of the topic, from any stage; the furthest of each canary counts."""
        one = canary(record.value)
        if one is None or now - one.started_at > KEPT:
            return
        flight = self._flights.setdefault(one.canary_id, _Flight(one))
        if len(one.passed) >= len(flight.seen.passed):
            flight.seen = one
        if one.next is None and flight.returned_at is None:
            flight.returned_at = one.passed[-1].at
            self._returned(one)

    def lost(self, now: datetime) -> list[Trouble]:
        """One trouble for each platform whose newest canary that should be back is not."""
        self._flights = {key: one for key, one in self._flights.items() if now - one.seen.started_at < KEPT}
        found = []
        for platform in self._platforms:
            flights = [one for one in self._flights.values() if one.seen.platform == platform]
            back = max((one.seen.started_at for one in flights if one.returned_at), default=None)
            late = [
                one
                for one in flights
                if one.returned_at is None
                and now - one.seen.started_at > self._within
                and (back is None or one.seen.started_at > back)
            ]
            if late:
                found.append(_trouble(max(late, key=lambda one: one.seen.started_at).seen, late, now))
        return found

    def _returned(self, one: CanaryPassed) -> None:
        took = (one.passed[-1].at - one.started_at).total_seconds()
        metrics.CANARY_SECONDS.labels(one.platform).set(took)
        starts = [one.started_at, *(passing.at for passing in one.passed)]
        hops = {
            passing.service: round((passing.at - before).total_seconds(), 3)
            for before, passing in zip(starts, one.passed, strict=False)
        }
        log.info("canary_returned", canary_id=one.canary_id, platform=one.platform, round_trip_s=took, hops_s=hops)


def _trouble(newest: CanaryPassed, late: Sequence[_Flight], now: datetime) -> Trouble:
    last = newest.passed[-1].service if newest.passed else "watchdog"
    first = min(one.seen.started_at for one in late)
    where = f"last seen by {last}, not by {newest.next}"
    return Trouble(
        kind=KIND,
        about=newest.platform,
        severity="critical",
        since=first,
        title=f"{newest.platform} 的探测记录没有走完流水线：最后经过 {last}，没有经过 {newest.next}",
        title_en=f"the canary of {newest.platform} did not cross the pipeline: {where}",
        way_out=f"检查 {newest.next} 是否在运行、它的健康与日志",
        way_out_en=f"check whether {newest.next} runs, its health and its log",
        platform=newest.platform,
        metric="canary_age_s",
        value=round((now - newest.started_at).total_seconds(), 1),
        evidence=tuple(sorted(one.seen.canary_id for one in late)),
    )
