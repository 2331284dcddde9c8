"""Where the collector stands with one post; written in one transaction with the events it stands for."""

from __future__ import annotations

from typing import Any

from schemas.events.envelope import Count, Event, Identifier, Instant, Platform


class CollectorCursor(Event, frozen=True, kw_only=True, tag="CollectorCursor"):
    """The collector's state of one post.

    position: the adapter's own paging state. seen: base64 of the sorted 8-byte hashes of all comment ids collected;
    full segments of them stand in records of their own, under the key `<post_key>#<n>`.
    metrics_sequence: of the last snapshot written. failures: consecutive failed polls.
    """

    post_key: str
    platform: Platform
    account: Identifier
    position: dict[str, Any] = {}
    seen: str = ""
    metrics_sequence: Count = 0
    last_polled_at: Instant | None = None
    next_poll_at: Instant | None = None
    failures: Count = 0
    ended: bool = False
