"""What a platform may offer for a live post: taking it down, and answering its comments.

Each is optional: the field of `Adapter` is None where the platform has no such thing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from schemas.events.placement import PlacementRecord
from services.adapter.contract.feedback import LivePost


class Retraction(Protocol):
    """Taking a live post down again."""

    def retract(self, client: Any, record: PlacementRecord) -> None:
        """One attempt. A post that is gone already is a success. Raises PlatformError."""
        ...


class Replies(Protocol):
    """Answering comments. A reply is public, so it is written at most once, like a post."""

    def reply(self, client: Any, post: LivePost, comment_id: str, text: str) -> str:
        """One attempt; the reply's native id. Raises PlatformError (`outcome` as for posts)."""
        ...

    def find_reply(self, client: Any, post: LivePost, comment_id: str, text: str, since: datetime) -> str | None:
        """Look, read-only, for our own reply not older than `since`; None where it is not there (yet)."""
        ...

    def most_characters(self) -> int:
        """Longest reply in the platform's own counting."""
        ...
