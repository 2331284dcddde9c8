"""What can go wrong with Kafka, in this project's own words; `retriable` says whether the same call may be repeated.

Client library errors are translated here by their type and never by their text.
"""

from __future__ import annotations

from typing import ClassVar

from kafka import errors as client


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


_FENCING = (
    client.ProducerFencedError,
    client.InvalidProducerEpochError,
    client.CommitFailedError,
    client.IllegalGenerationError,
    client.UnknownMemberIdError,
    client.FencedInstanceIdError,
    client.TransactionCoordinatorFencedError,
)
_TOO_LARGE = (client.MessageSizeTooLargeError, client.RecordListTooLargeError)
_REFUSED = (client.AuthorizationError, client.SaslAuthenticationFailedError, client.UnsupportedSaslMechanismError)
_UNREACHABLE = (client.KafkaConnectionError, client.KafkaTimeoutError, client.NodeNotReadyError)


def is_producer_fenced(error: BaseException | None) -> bool:
    """Whether another producer took over the transactional id, which no retry of ours may contest."""
    return isinstance(error, client.ProducerFencedError | client.InvalidProducerEpochError)


def translated(error: BaseException, fallback: type[KafkaProblem], doing: str) -> KafkaProblem:
    """The project's error for a client library error; `doing` tells what was attempted."""
    text = f"{doing}: {type(error).__name__}: {error}"
    table: tuple[tuple[tuple[type[BaseException], ...], type[KafkaProblem]], ...] = (
        (_FENCING, Fenced),
        (_TOO_LARGE, RecordTooLarge),
        (_REFUSED, AccessRefused),
        ((client.UnknownTopicOrPartitionError, client.InvalidTopicError), UnknownTopic),
    )
    if isinstance(error, KafkaProblem):
        return error
    for kinds, ours in table:
        if isinstance(error, kinds):
            return ours(text)
    if isinstance(error, _UNREACHABLE) and fallback is not TransactionFailed:
        return KafkaUnavailable(text)
    return fallback(text)
