"""Writes accepted events and commands to the log and tells apart: acknowledged, certainly not written, and unknown."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from schemas.codec import encode
from schemas.events.content import MasterContentEvent
from schemas.topics import topic
from services.publisher.api.problems import Problem, RequestRefusedError, unavailable
from services.publisher.log.accepted import ANSWER_HEADER, TOPIC, compressed
from services.runtime.kafka.connection import reachable
from services.runtime.kafka.errors import KafkaProblem, KafkaUnavailable, RecordTooLarge, SendFailed
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

RETRY_AFTER_S = 5
_REACHABLE_WITHIN_S = 1.0

log = get_logger(__name__)


class OutcomeUnknownError(Exception):
    """Raised when the record was handed over and no acknowledgement came: it may be, or come to be, on the log."""


class LogWriter:
    """One acknowledged record at a time per caller; thread-safe."""

    def __init__(self, settings: KafkaSettings, acknowledge_within_s: float) -> None:
        self._settings = settings
        self._within_s = acknowledge_within_s
        self._guard = threading.Lock()
        self._producer: Producer | None = None

    def partition(self, event: MasterContentEvent) -> int:
        return partition_of(event.campaign_id, self._settings.partitions)

    def write(self, event: MasterContentEvent, answer: bytes) -> int:
        """The offset of the acknowledged record.

        Raises RefusedError where it certainly was not written, OutcomeUnknownError where nobody can tell yet.
        """
        record = Outgoing(
            topic=TOPIC,
            value=encode(event),
            key=topic(TOPIC).key_of(event).encode(),
            partition=self.partition(event),
            headers=((ANSWER_HEADER, compressed(answer)),),
        )
        return self.write_all([record], event.event_id)[0]

    def write_all(self, records: Sequence[Outgoing], event_id: str) -> list[int]:
        """The offsets of the acknowledged records, written in this order; the same errors as `write`."""
        producer = self._connected()
        try:
            return producer.send_many(records, timeout_s=self._within_s)
        except RecordTooLarge:
            raise _too_large(max(len(record.value or b"") for record in records)) from None
        except (SendFailed, KafkaUnavailable) as error:
            self._give_up(producer)
            log.warning("acknowledgement_missing", event_id=event_id, cause=repr(error))
            raise OutcomeUnknownError from error
        except KafkaProblem as error:
            log.error("record_refused_by_kafka", event_id=event_id, topic=records[0].topic, cause=repr(error))
            raise unavailable("kafka_refused", f"Kafka 拒绝写入 / Kafka refuses the record: {error}", 30) from error

    def pass_on(self, record: Outgoing) -> None:
        """Write a record that is nobody's content; raises what `write` raises."""
        producer = self._connected()
        try:
            producer.send(record, timeout_s=self._within_s)
        except KafkaProblem as error:
            self._give_up(producer)
            raise OutcomeUnknownError from error

    def close(self) -> None:
        with self._guard:
            if self._producer is not None:
                self._producer.close()
                self._producer = None

    def _connected(self) -> Producer:
        """A producer of a cluster that answers right now: without one, a record would only be queued in memory."""
        if not reachable(self._settings, _REACHABLE_WITHIN_S):
            raise _away()
        with self._guard:
            if self._producer is None:
                try:
                    self._producer = Producer(self._settings, "publisher", connect_timeout_s=self._within_s)
                except KafkaProblem as error:
                    log.warning("producer_not_connected", cause=repr(error))
                    raise _away() from error
            return self._producer

    def _give_up(self, producer: Producer) -> None:
        """Drop a producer that lost a record: what it still holds in memory shall not be written much later."""
        with self._guard:
            if self._producer is producer:
                self._producer = None
        producer.close()


def _away() -> RequestRefusedError:
    detail = (
        "Kafka 没有应答，没有写入任何内容；请稍后原样重发 / Kafka does not answer, nothing was written; repeat later"
    )
    return unavailable("kafka_unavailable", detail, RETRY_AFTER_S)


def _too_large(size: int) -> RequestRefusedError:
    problem = Problem(
        field="body",
        code="content_too_large",
        message=f"内容有 {size} 字节，超过一条消息的上限",
        message_en=f"the content has {size} bytes, more than one record may have",
        way_out="请缩短正文；图片和视频请用 POST /media 上传后引用 / shorten it, upload media instead",
    )
    return RequestRefusedError(413, "content_too_large", "内容过大 / too large", problem.message, (problem,))
