"""What can go wrong with Kafka, in this project's own words; `retriable` says whether the same call may be repeated."""

from __future__ import annotations

from typing import ClassVar


class KafkaProblem(Exception):  # noqa: N818 - beside the client library's KafkaError the name must differ
    """Root of all Kafka errors that leave services.runtime.kafka."""

    retriable: ClassVar[bool] = False


class KafkaUnavailable(KafkaProblem):
    """Raised when no broker answered in time, or the wait for one was stopped."""

    retriable = True


class Fenced(KafkaProblem):
    """Raised when this process is no longer the owner: its group generation passed, or its producer was replaced."""


class TransactionFailed(KafkaProblem):
    """Raised when a transaction was not confirmed; what is in memory is void, the log alone says what happened."""


class RecordTooLarge(KafkaProblem):
    """Raised before sending when a record exceeds what the broker accepts; the transaction was aborted."""


class SendFailed(KafkaProblem):
    """Raised when a record outside any transaction was not acknowledged; it may nevertheless be in the log."""


class UnknownTopic(KafkaProblem):
    """Raised when a topic or partition does not exist; `tongbo topics` creates the topics."""


class AccessRefused(KafkaProblem):
    """Raised when the cluster refuses the credentials or a permission is missing."""
