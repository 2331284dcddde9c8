"""How far groups have come: what each partition's owner has committed, and how old the first record is that it has not.

Only reads. Transaction markers count as offsets but are nobody's work, so a lag is looked into before it is believed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer
from kafka import errors as client
from kafka.structs import TopicPartition as ClientTopicPartition

from services.runtime.kafka.connection import client_options
from services.runtime.kafka.consumer import reading_options
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.kafka.records import TopicPartition
from services.runtime.kafka.translation import translated
from services.runtime.kafka.waiting import connected
from services.runtime.settings import KafkaSettings

_ANSWER_MS = 5_000
_LOOK_S = 3.0


@dataclass(frozen=True, slots=True)
class Standing:
    """committed: the group's next offset (the first there is where it never committed). oldest: timestamp of the first
    record at or after it; None where only markers or nothing lie there."""

    committed: int
    end: int
    oldest: datetime | None

    @property
    def lag(self) -> int:
        return max(0, self.end - self.committed) if self.oldest is not None else 0


class GroupProgress:
    """Asks one cluster again and again; not thread-safe. Construction waits at most `timeout_s` for Kafka."""

    def __init__(self, settings: KafkaSettings, timeout_s: float = 30) -> None:
        options = client_options(settings) | {"client_id": "progress", "request_timeout_ms": 15_000}
        reading = reading_options(settings, "progress", "earliest") | {
            "max_poll_records": 50,
            "max_partition_fetch_bytes": 64 * 1024,
        }
        self._admin: Any = connected(
            settings, lambda: KafkaAdminClient(**options), what="progress admin", timeout_s=timeout_s
        )
        try:
            self._reader: Any = connected(
                settings, lambda: KafkaConsumer(**reading), what="progress reader", timeout_s=timeout_s
            )
        except BaseException:
            self._admin.close()
            raise

    def of(self, groups: Mapping[str, Sequence[str]]) -> dict[str, dict[TopicPartition, Standing]]:
        """Where each group stands with every partition of the topics it reads; topics that do not exist are left out.

        Raises KafkaUnavailable.
        """
        try:
            return {group: self._group(group, topics) for group, topics in groups.items()}
        except client.KafkaError as error:
            raise translated(error, KafkaUnavailable, "asking for the progress of groups") from error
        except KeyError as error:  # the client got no answer for that partition, and says it like this
            raise KafkaUnavailable(f"no offset of {error}") from error

    def close(self) -> None:
        with suppress(client.KafkaError):
            self._admin.close()
        with suppress(client.KafkaError):
            self._reader.close(autocommit=False, timeout_ms=1_000)

    def _group(self, group: str, topics: Iterable[str]) -> dict[TopicPartition, Standing]:
        where = [
            ClientTopicPartition(topic, number)
            for topic in topics
            for number in sorted(self._reader.partitions_for_topic(topic) or ())
        ]
        if not where:
            return {}
        committed = self._committed(group, where)
        ends = self._reader.end_offsets(where, timeout_ms=_ANSWER_MS)
        behind = {one: committed[one] for one in where if committed[one] < ends[one]}
        oldest = self._oldest(behind, ends)
        return {TopicPartition(*one): Standing(committed[one], int(ends[one]), oldest.get(one)) for one in where}

    def _committed(self, group: str, where: Sequence[Any]) -> dict[Any, int]:
        try:
            told = self._admin.list_group_offsets(group).get(group, {})
        except client.GroupIdNotFoundError:
            told = {}
        first = self._reader.beginning_offsets(list(where), timeout_ms=_ANSWER_MS)
        places = {}
        for one in where:
            offset = told[one].offset if one in told else -1
            places[one] = max(int(offset), int(first[one]))
        return places

    def _oldest(self, behind: Mapping[Any, int], ends: Mapping[Any, int]) -> dict[Any, datetime]:
        """The time of the first record at or after each offset; nothing for partitions with none."""
        found: dict[Any, datetime] = {}
        if not behind:
            return found
        self._reader.assign(list(behind))
        self._reader.resume(*behind)  # the client remembers what was paused when it was assigned before
        for one, offset in behind.items():
            self._reader.seek(one, offset)
        left, deadline = set(behind), time.monotonic() + _LOOK_S
        while left and time.monotonic() < deadline:
            for one, batch in self._reader.poll(timeout_ms=200).items():
                found.setdefault(one, datetime.fromtimestamp(max(batch[0].timestamp, 0) / 1000, UTC))
            done = {one for one in left if one in found or self._passed(one, ends)}
            self._reader.pause(*done)
            left -= done
        return found

    def _passed(self, one: Any, ends: Mapping[Any, int]) -> bool:
        position = self._reader.position(one, timeout_ms=_ANSWER_MS)
        return position is not None and int(position) >= int(ends[one])
