"""Which consumer groups stand still although records wait for them. Pure; told again and again where groups stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.runtime import metrics
from services.runtime.kafka.progress import Standing
from services.runtime.kafka.records import TopicPartition
from services.watchdog.trouble import Trouble

KIND = "group_stalled"


def expected(platforms: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The groups of the pipeline and the topics each reads; a group that never joined stands at the beginning."""
    return {
        **{f"tongbo-adapter-{platform}": ("master-content",) for platform in platforms},
        "tongbo-feedback-collector": ("placement-ledger",),
        "engagement-aggregator": ("feedback-unified", "engagement-campaign-total"),
    }


@dataclass(frozen=True, slots=True)
class _Place:
    committed: int
    since: datetime


class Groups:
    """When each partition of each group last moved."""

    def __init__(self, stalled_after: timedelta) -> None:
        self._stalled_after = stalled_after
        self._places: dict[tuple[str, TopicPartition], _Place] = {}

    def stalled(self, groups: Mapping[str, Mapping[TopicPartition, Standing]], now: datetime) -> list[Trouble]:
        """One trouble for each group and topic in which a partition with waiting records has not moved for long."""
        found = []
        for group, standings in groups.items():
            still = [where for where, one in standings.items() if self._stands_still(group, where, one, now)]
            for topic in sorted({where.topic for where in still}):
                partitions = sorted(where for where in still if where.topic == topic)
                found.append(_trouble(group, topic, partitions, standings, now))
        return found

    def _stands_still(self, group: str, where: TopicPartition, standing: Standing, now: datetime) -> bool:
        age = timedelta() if standing.oldest is None else max(timedelta(), now - standing.oldest)
        labels = group, where.topic, str(where.partition)
        metrics.GROUP_LAG.labels(*labels).set(standing.lag)
        metrics.GROUP_AGE.labels(*labels).set(age.total_seconds())
        known = self._places.get((group, where))
        if known is None or known.committed != standing.committed:
            known = self._places[group, where] = _Place(standing.committed, now)
        if standing.oldest is None:
            return False
        # A record that has just come to a group that had nothing to do for hours is not a stall.
        return now - max(known.since, standing.oldest) > self._stalled_after


def _trouble(
    group: str,
    topic: str,
    partitions: Sequence[TopicPartition],
    standings: Mapping[TopicPartition, Standing],
    now: datetime,
) -> Trouble:
    oldest = min(at for one in partitions if (at := standings[one].oldest) is not None)
    return Trouble(
        kind=KIND,
        about=f"{group}/{topic}",
        severity="critical",
        since=oldest,
        title=f"消费组 {group} 在主题 {topic} 上停滞：有记录等待，进度不动",
        title_en=f"group {group} stands still on {topic}: records wait and its offset does not move",
        way_out="检查该服务的健康与日志，必要时重启；记录不会丢失",
        way_out_en="look at the service's health and log, restart it if need be; no record is lost",
        metric="oldest_waiting_s",
        value=round((now - oldest).total_seconds(), 1),
        evidence=tuple(f"{one.topic}-{one.partition}@{standings[one].committed}" for one in partitions),
    )
