"""Which feedback records the aggregator has to refuse, worked out anew: the recount must leave out the same ones.

Pure, and shares no code with the fold. Records come in offset order within each partition; the first word about an id
holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from schemas.codec import DecodeError, decoder
from schemas.events.feedback import METRICS, FeedbackEvent, FollowersObserved, MetricsObserved

LONGEST_POST_KEY = 256
LARGEST_COUNT = 10**15
EPOCH, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_decode = decoder("feedback-unified")
_POST_IDENTITY = ("brand_id", "campaign_id", "content_id", "placement_id", "platform", "account")


class Acceptance:
    """Says of each record of one partition whether it counts. belongs: whether a campaign has its home here."""

    def __init__(self, belongs: Callable[[str], bool]) -> None:
        self._belongs = belongs
        self._posts: dict[str, tuple[str, ...]] = {}
        self._owners: dict[tuple[str, str], tuple[str, str]] = {}  # campaign or content → brand and campaign

    def refusal(self, value: bytes | None) -> str | None:
        """Why the record does not count; None where it does."""
        try:
            event = _decode(value or b"")
        except DecodeError:
            return "undecodable"
        if any(count is not None and count > LARGEST_COUNT for count in _counts(event)):
            return "number_out_of_range"
        at = min(event.occurred_at, event.observed_at)
        if not EPOCH <= at < LAST or event.observed_at >= LAST:
            return "time_out_of_range"
        if isinstance(event, FollowersObserved):
            return self._claim(event, [("campaign", event.campaign_id)])
        identity = tuple(getattr(event, name) for name in _POST_IDENTITY)
        if event.post_key in self._posts:
            return None if self._posts[event.post_key] == identity else "identity_conflict"
        if len(event.post_key) > LONGEST_POST_KEY:
            return "post_key_too_long"
        refused = self._claim(event, [("campaign", event.campaign_id), ("content", event.content_id)])
        if refused is None:
            self._posts[event.post_key] = identity
        return refused

    def _claim(self, event: FeedbackEvent, names: list[tuple[str, str]]) -> str | None:
        if not self._belongs(event.campaign_id):
            return "foreign_partition"
        owner = (event.brand_id, event.campaign_id)
        if any(self._owners.get(name, owner) != owner for name in names):
            return "identity_conflict"
        self._owners.update(dict.fromkeys(names, owner))
        return None


def _counts(event: FeedbackEvent) -> list[int | None]:
    if isinstance(event, FollowersObserved):
        return [event.followers.value]
    if isinstance(event, MetricsObserved):
        return [event.comments_total, *(getattr(event.readings, metric).value for metric in METRICS)]
    return []
