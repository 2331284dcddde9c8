"""Writing: single acknowledged sends, and transactions that bind records to the offsets they were made from."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka import errors as client
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata
from kafka.structs import TopicPartition as ClientTopicPartition

from services.runtime.kafka.connection import client_options
from services.runtime.kafka.errors import Fenced, KafkaProblem, SendFailed, TransactionFailed
from services.runtime.kafka.records import GroupMetadata, Outgoing, TopicPartition
from services.runtime.kafka.translation import is_producer_fenced, translated
from services.runtime.kafka.waiting import connected
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

MAX_RECORD_BYTES = 1_000_000  # below the broker's 1 MiB, which counts the batch around the record too
# The next transaction meets the broker still finishing the last; the default of 100 ms would be waited out each time.
_RETRY_BACKOFF_MS = 2
_CLOSE_S = 5.0
_GRACE_S = 5.0  # beyond the broker's own time-out of a transaction, so that its verdict can still arrive

log = get_logger(__name__)


def _options(settings: KafkaSettings) -> dict[str, Any]:
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "retry_backoff_ms": _RETRY_BACKOFF_MS,
        "max_request_size": MAX_RECORD_BYTES,
        "allow_auto_create_topics": False,
        "max_block_ms": 5_000,
        "request_timeout_ms": 15_000,
        "metrics_enabled": False,
    }


def _send(producer: Any, record: Outgoing) -> Any:
    return producer.send(
        record.topic,
        value=record.value,
        key=record.key,
        partition=record.partition,
        headers=list(record.headers),
    )


def _close(producer: Any, timeout_s: float) -> None:
    """Close within `timeout_s`, whatever is unsent.

    The library alone would give up closing and go on trying in the background, where a transaction that nobody waits
    for any more could still be committed.
    """
    try:
        producer.close(timeout=timeout_s)
    except client.KafkaError as error:
        log.warning("kafka_close_incomplete", cause=repr(error))
        producer._sender.force_close()
        producer._sender.join(_CLOSE_S)
        if producer._transaction_manager is not None:
            for *_, request in producer._transaction_manager._pending_requests:
                request.fail(error)  # wakes the abandoned thread that waits for the answer
        with contextlib.suppress(client.KafkaError):
            producer.close(timeout=0)


class Producer:
    """Idempotent producer, acks=all; a call returns only after the records are acknowledged. Thread-safe."""

    def __init__(
        self,
        settings: KafkaSettings,
        client_id: str,
        *,
        stop: threading.Event | None = None,
        connect_timeout_s: float | None = None,
    ) -> None:
        options = _options(settings) | {"client_id": client_id, "delivery_timeout_ms": 30_000}
        self._client: Any = connected(
            settings,
            lambda: KafkaProducer(**options),
            what=f"producer {client_id}",
            stop=stop,
            timeout_s=connect_timeout_s,
        )

    def send(self, record: Outgoing, timeout_s: float = 30) -> int:
        """Write one record and return its offset; raises SendFailed or KafkaUnavailable, when it may yet arrive."""
        return self.send_many([record], timeout_s)[0]

    def send_many(self, records: Sequence[Outgoing], timeout_s: float = 30) -> list[int]:
        """Write several records and return their offsets, in order; the records are not atomic among themselves."""
        try:
            pending = [_send(self._client, record) for record in records]
            return [int(one.get(timeout=timeout_s).offset) for one in pending]
        except (client.KafkaError, AssertionError, ValueError) as error:
            topics = sorted({record.topic for record in records})
            raise translated(error, SendFailed, f"sending {len(records)} record(s) to {topics}") from error

    def close(self) -> None:
        _close(self._client, _CLOSE_S)


class _NoAnswer(Exception):  # noqa: N818 - never leaves this module
    """Raised when the broker did not decide about a transaction in time."""


class TransactionalProducer:
    """One transaction per `commit`. Not thread-safe: one owner at a time.

    A new instance with the same transactional id aborts the open transaction of its predecessor at once. After a
    failed commit the object works again if the abort succeeded; otherwise every further call raises the same kind of
    error, and a new object is needed. A commit without answer may have happened: read the log to know.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        transactional_id: str,
        timeout_ms: int = 10_000,
        stop: threading.Event | None = None,
    ) -> None:
        self.transactional_id = transactional_id
        self._settings = settings
        self._timeout_s = timeout_ms / 1000
        self._unusable: KafkaProblem | None = None
        options = _options(settings) | {
            "client_id": transactional_id,
            "transactional_id": transactional_id,
            "transaction_timeout_ms": timeout_ms,
            "delivery_timeout_ms": 30_000,
        }
        self._client: Any = connected(
            settings, lambda: self._started(options), what=f"transactional producer {transactional_id}", stop=stop
        )

    @staticmethod
    def _started(options: dict[str, Any]) -> Any:
        producer = KafkaProducer(**options)
        try:
            producer.init_transactions()
        except BaseException:
            _close(producer, 0)
            raise
        return producer

    @property
    def usable(self) -> bool:
        """Whether the next commit can work; False after an error that only a new producer cures."""
        return self._unusable is None

    def commit(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int] | None = None,
        group: GroupMetadata | None = None,
    ) -> None:
        """Write `records` and the group's `offsets` together, or nothing of it.

        Raises Fenced when the group generation or the transactional id has passed to someone else, RecordTooLarge for
        a record no broker takes, TransactionFailed for everything else. An empty transaction costs nothing.
        """
        if self._unusable is not None:
            raise type(self._unusable)(f"this producer is spent, make a new one ({self._unusable})")
        if offsets and group is None:
            raise ValueError("offsets need the group metadata of the consumer that read them")
        try:
            self._within_deadline(lambda: self._transaction(records, offsets, group))
        except _NoAnswer as error:
            self._unusable = TransactionFailed(f"transaction of {self.transactional_id}: {error}")
            raise self._unusable from error
        except (client.KafkaError, AssertionError, ValueError, TypeError) as error:
            raise self._aborted(error) from error

    def _within_deadline(self, work: Callable[[], None]) -> None:
        """Do `work`, but not for ever as the client library would; the abandoned thread does not hold up the exit."""
        outcome: list[BaseException] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=run, name=f"txn-{self.transactional_id}", daemon=True)
        thread.start()
        thread.join(self._timeout_s + _GRACE_S)
        if thread.is_alive():
            raise _NoAnswer(f"no answer within {self._timeout_s + _GRACE_S:g} s")
        if outcome:
            raise outcome[0]

    def _transaction(
        self,
        records: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int] | None,
        group: GroupMetadata | None,
    ) -> None:
        self._client.begin_transaction()
        pending = [_send(self._client, record) for record in records]
        # The records must lie in the log before the generation is checked. Otherwise a partition could change hands
        # between check and write, and its new owner would read the log to an end that lies before these records.
        self._client.flush(timeout=self._timeout_s)
        for one in pending:
            one.get(timeout=self._timeout_s)
        if offsets and group is not None:
            self._client.send_offsets_to_transaction(
                {ClientTopicPartition(*where): OffsetAndMetadata(offset, "", -1) for where, offset in offsets.items()},
                ConsumerGroupMetadata(group.group, group.generation, group.member),
            )
        self._client.commit_transaction()

    def _aborted(self, error: Exception) -> KafkaProblem:
        """Abort what is open; says what happened and remembers whether this producer can go on."""
        cause = self._client._transaction_manager.last_error or error
        problem = translated(cause, TransactionFailed, f"transaction of {self.transactional_id}")
        try:
            if is_producer_fenced(cause):
                raise client.ProducerFencedError
            self._within_deadline(self._client.abort_transaction)
        except (client.KafkaError, _NoAnswer) as abort_error:
            self._unusable = problem if isinstance(problem, Fenced) else TransactionFailed(str(problem))
            log.warning("transaction_producer_spent", transactional_id=self.transactional_id, cause=repr(abort_error))
        log.warning("transaction_aborted", transactional_id=self.transactional_id, cause=repr(cause))
        return problem

    def close(self) -> None:
        """Close within seconds; an open transaction is left to its timeout or to the successor."""
        _close(self._client, 0 if self._unusable else _CLOSE_S)
