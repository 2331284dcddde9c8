"""All dead letters of the cluster and what was done about them; resends and discards, each noted beside the letter.

A resent record goes to its own topic with its own key, so the readers of that topic judge it anew: an intent that has
been posted is recognised by its ledger record and not posted again.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from schemas.codec import DecodeError, decoder
from schemas.events.dead_letter import DeadLetter, DeadLetterHandled
from schemas.topics import TopicFileError, topic
from services.runtime.dead_letters import entry, handled, replay_of
from services.runtime.kafka.admin import list_topics
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Record
from services.runtime.settings import KafkaSettings

SUFFIX = "-dlq"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, the record it is in, and the last thing that was done about it."""

    event: DeadLetter
    record: Record
    done: DeadLetterHandled | None = None


def letters(settings: KafkaSettings, service: str | None = None) -> list[Letter]:
    """All dead letters, oldest first; the same refusal told twice counts once. service None = of every service."""
    wanted = [f"{service}{SUFFIX}"] if service else [t for t in list_topics(settings) if t.endswith(SUFFIX)]
    found: dict[str, Letter] = {}
    done: dict[str, DeadLetterHandled] = {}
    for name in wanted:
        for record in read_topic(settings, name):
            match entry(record):
                case DeadLetter() as event:
                    found[event.event_id] = Letter(event, record)
                case DeadLetterHandled() as note:
                    done[note.dead_letter_id] = note
    whole = [Letter(one.event, one.record, done.get(name)) for name, one in found.items()]
    return sorted(whole, key=lambda one: (one.event.first_seen_at, one.event.event_id))


def open_letters(
    every: Iterable[Letter], *, cause: str | None = None, letter_id: str | None = None, again: bool = False
) -> list[Letter]:
    """Those that nothing was done about (with `again` also the others), of one cause or one id where given."""
    return [
        one
        for one in every
        if (again or one.done is None) and cause in (None, one.event.cause) and letter_id in (None, one.event.event_id)
    ]


def checked(letter: Letter, edited: bytes | None) -> str | None:
    """Why the record would be refused again as far as its form goes; None where its topic would take it."""
    if _is_state(letter.event.topic):
        return (
            "这个主题记录的是状态：重投旧记录会盖掉更新的（台账就会忘记已经发出的帖子）；请改用 tongbo retry，或作废"
            " / a topic of state: an old record would undo newer ones, and the ledger would forget what was posted;"
            " command a retry instead, or discard the letter"
        )
    original = replay_of(letter.record, edited)
    if original.value is None:
        return None
    try:
        decoder(letter.event.topic)(original.value)
    except DecodeError as error:
        return str(error)
    except TopicFileError:
        return None  # not a topic of events; its reader decides
    return None


def _is_state(name: str) -> bool:
    """Whether the newest record of a key is the truth there, so that only its owner may write the next."""
    try:
        return topic(name).cleanup_policy == "compact"
    except TopicFileError:
        return False


class DeadLetterRedriver:
    """Does things about dead letters and notes what was done."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._producer = Producer(settings, "dlq-desk", connect_timeout_s=10)

    def resend(self, letter: Letter, edited: bytes | None, reason: str) -> None:
        """Send the record again, then note it: a crash in between leaves the letter open, never silently closed."""
        self._producer.send(replay_of(letter.record, edited))
        self._note(letter, "resent", reason, edited=edited is not None)

    def discard(self, letter: Letter, reason: str) -> None:
        self._note(letter, "discarded", reason, edited=False)

    def close(self) -> None:
        self._producer.close()

    def _note(self, letter: Letter, action: Literal["resent", "discarded"], reason: str, *, edited: bool) -> None:
        now = datetime.now(UTC)
        note = DeadLetterHandled(
            event_id=f"{letter.event.event_id}:handled:{now.isoformat()}",
            dead_letter_id=letter.event.event_id,
            action=action,
            edited=edited,
            reason=reason,
            actor=getpass.getuser(),
            handled_at=now,
        )
        self._producer.send(handled(letter.record, note))


def readable(letter: Letter) -> str:
    """The original record's bytes as text, indented where they are JSON."""
    value = replay_of(letter.record).value
    if value is None:
        return ""
    try:
        return msgspec.json.format(value, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value.decode(errors="replace")
