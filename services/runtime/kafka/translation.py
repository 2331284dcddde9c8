"""The client library's errors in this project's own words: translated by their type and never by their text."""

from __future__ import annotations

from kafka import errors as client

from services.runtime.kafka.errors import (
    AccessRefused,
    Fenced,
    KafkaProblem,
    KafkaUnavailable,
    RecordTooLarge,
    TransactionFailed,
    UnknownTopic,
)

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
    """Whether another producer took over the transactional id, which this process must not contest by a retry."""
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
