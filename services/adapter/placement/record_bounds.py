"""Holds a ledger record within bounds, whatever is done to its placement. Pure.

A record is written anew with each change, so what it says about the past is limited: the newest lines of history, the
newest answers to comments, short words. What was dropped is counted in `earlier`, with all that decisions ask of it.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from msgspec.structs import replace

from schemas.events.placement import EarlierHistory, Failure, HistoryEntry, PlacementRecord, ReplyRecord
from services.adapter.placement import transitions as to

MOST_LINES = 80
MOST_HISTORY_BYTES = 40_000
NEWEST_NOTES = 10  # notes dropped last: what was said just now
MOST_REPLIES, NEWEST_REPLIES = 20, 3  # answers that stay, and those that may be news of this revision
LONGEST_OLD_REPLY = 80
RESTING_REPLIES = frozenset({"DONE", "FAILED"})


def bounded(record: PlacementRecord) -> PlacementRecord:
    """The same record within its bounds; itself where nothing is too much."""
    history = tuple(_short_entry(entry) for entry in record.history)
    history, dropped = _newest(history)
    replies, dropped_replies = _newest_replies(record)
    failure = record.failure and _short_failure(record.failure)
    waiting_on = to.short(record.waiting_on)
    if (history, replies, failure, waiting_on) == (record.history, record.replies, record.failure, record.waiting_on):
        return record
    earlier = record.earlier or EarlierHistory()
    if dropped or dropped_replies:
        earlier = _with_dropped(earlier, record.history, dropped, dropped_replies)
    return replace(
        record, history=history, replies=replies, failure=failure, waiting_on=waiting_on,
        earlier=earlier if earlier.lines or earlier.replies else None,
    )  # fmt: skip


def reduced(record: PlacementRecord, size: int, now: datetime, worker: str) -> PlacementRecord:
    """The last resort for a record that is too large in spite of all bounds: without what only a next call needs.

    A placement that still waits for calls becomes a person's; one with a post keeps all that identifies the post.
    """
    bare = replace(record, draft=None, newer=None, steps=record.steps[-3:], history=record.history[-5:])
    if record.state in ("LIVE", "REJECTED", "MISSED", "CANCELLED", "REMOVED"):
        return bare
    reason = f"这条记录有 {size} 字节，超过上限，草稿已移除；请核对后提交新版本 / the record is too large"
    return to.needs_human(bare, reason, record.failure, now, worker)


def has_been(record: PlacementRecord, *states: str) -> bool:
    """Whether the placement ever was in one of these states, as far back as its record knows."""
    earlier = record.earlier.states if record.earlier else ()
    return any(entry.state in states for entry in record.history) or any(state in states for state in earlier)


def doubts(record: PlacementRecord) -> int:
    """How many calls ended without an answer."""
    return (record.earlier.doubts if record.earlier else 0) + _doubts(record.history)


def _doubts(history: tuple[HistoryEntry, ...]) -> int:
    return sum((a.state, b.state) == ("CALLING", "UNKNOWN") for a, b in pairwise(history))


def _newest(history: tuple[HistoryEntry, ...]) -> tuple[tuple[HistoryEntry, ...], frozenset[int]]:
    """The lines that stay, and the places of those that go: old notes first, then old changes; the first line stays."""
    if len(history) <= MOST_LINES and sum(map(_bytes, history)) <= MOST_HISTORY_BYTES:
        return history, frozenset()
    places = range(1, len(history) - 1)
    notes = [place for place in places if _is_note(history, place) and place < len(history) - NEWEST_NOTES]
    others = [place for place in places if place not in set(notes)]
    lines, size, gone = len(history), sum(map(_bytes, history)), set[int]()
    for place in (*notes, *others):
        if lines <= MOST_LINES and size <= MOST_HISTORY_BYTES:
            break
        gone.add(place)
        lines, size = lines - 1, size - _bytes(history[place])
    return tuple(entry for place, entry in enumerate(history) if place not in gone), frozenset(gone)


def _is_note(history: tuple[HistoryEntry, ...], place: int) -> bool:
    entry = history[place]
    return entry.failure is None and entry.state != "CALLING" and entry.state == history[place - 1].state


def _bytes(entry: HistoryEntry) -> int:
    words = entry.note + (entry.failure.message if entry.failure else "")
    return len(words.encode()) + 200


def _short_entry(entry: HistoryEntry) -> HistoryEntry:
    failure = entry.failure and _short_failure(entry.failure)
    note = to.short(entry.note)
    return entry if (note, failure) == (entry.note, entry.failure) else replace(entry, note=note, failure=failure)


def _short_failure(failure: Failure) -> Failure:
    message = to.short(failure.message)
    return failure if message == failure.message else replace(failure, message=message)


def _newest_replies(record: PlacementRecord) -> tuple[tuple[ReplyRecord, ...], int]:
    """Open answers stay whole, and the one that this revision tells of; of older ones the newest stay, shortened."""
    resting = [one for one in record.replies if one.state in RESTING_REPLIES]
    gone = {one.command_id for one in resting[:-MOST_REPLIES]}
    aged = {one.command_id for one in resting if one.at != record.occurred_at or one not in resting[-NEWEST_REPLIES:]}
    replies = tuple(
        _short_reply(one) if one.command_id in aged else one for one in record.replies if one.command_id not in gone
    )
    return replies, len(gone)


def _short_reply(reply: ReplyRecord) -> ReplyRecord:
    failure = reply.failure and _short_failure(reply.failure)
    text = reply.text if len(reply.text) <= LONGEST_OLD_REPLY else reply.text[: LONGEST_OLD_REPLY - 1] + "…"
    return reply if (text, failure) == (reply.text, reply.failure) else replace(reply, text=text, failure=failure)


def _with_dropped(
    earlier: EarlierHistory, history: tuple[HistoryEntry, ...], dropped: frozenset[int], replies: int
) -> EarlierHistory:
    kept = tuple(entry for place, entry in enumerate(history) if place not in dropped)
    states = {*earlier.states, *(history[place].state for place in dropped)}
    return EarlierHistory(
        lines=earlier.lines + len(dropped),
        states=tuple(sorted(states)),
        doubts=earlier.doubts + _doubts(history) - _doubts(kept),
        replies=earlier.replies + replies,
    )
