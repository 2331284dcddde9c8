"""The deliveries of the held partitions that are still to be made: which is due, and what a try makes of it. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from schemas.events.webhook import Attempt, WebhookDelivery
from services.webhooks.messages import Message

MOST_AT_ONCE = 2  # of one subscription, so that a receiver that hangs holds up only itself
BRAND_SHARE = 0.5  # of all that may be under way; a subscription to every brand counts as a brand of its own
KEPT_ATTEMPTS = 30
GONE = 410


def first(message: Message, subscription_id: str, now: datetime) -> WebhookDelivery:
    """A delivery that is to be made at once."""
    return WebhookDelivery(
        delivery_id=f"{subscription_id}:{message.message_id}"[:300],
        message_id=message.message_id,
        subscription_id=subscription_id,
        brand_id=message.brand_id,
        event=message.event,
        body=message.body,
        state="PENDING",
        created_at=now,
        next_attempt_at=now,
    )


def after(one: WebhookDelivery, attempt: Attempt, first_retry_s: float, give_up_after_s: float) -> WebhookDelivery:
    """The delivery after a try: done, to be tried again later each time, or given up."""
    attempts = (*one.attempts, attempt)[-KEPT_ATTEMPTS:]
    tried = replace(one, attempts=attempts, tries=one.tries + 1, next_attempt_at=None)
    if attempt.status is not None and 200 <= attempt.status < 300:
        return replace(tried, state="DELIVERED")
    pause = timedelta(seconds=min(first_retry_s * 3 ** min(one.tries, 12), 3600.0))
    if attempt.status == GONE or attempt.at + pause > one.created_at + timedelta(seconds=give_up_after_s):
        return replace(tried, state="GIVEN_UP")
    return replace(tried, next_attempt_at=attempt.at + pause)


class PendingDeliveries:
    """What is to be delivered, with its partition."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[WebhookDelivery, int]] = {}
        self._busy: dict[str, tuple[str, str]] = {}

    def put(self, one: WebhookDelivery, partition: int) -> None:
        """Take over the newest record of a delivery."""
        if one.state == "PENDING":
            self._open[one.delivery_id] = one, partition
        else:
            self._open.pop(one.delivery_id, None)

    def forget(self, partitions: Iterable[int]) -> None:
        gone = set(partitions)
        self._open = {key: held for key, held in self._open.items() if held[1] not in gone}

    def holds(self, one: WebhookDelivery) -> int | None:
        """The partition of a delivery that is still ours and unchanged since it was started; else None."""
        held = self._open.get(one.delivery_id)
        return held[1] if held is not None and held[0] is one else None

    def start(self, now: datetime, most: int, owner_of: Mapping[str, str]) -> list[WebhookDelivery]:
        """Deliveries to try now, marked as busy; of each owner in turn the longest due first.

        most: how many may be under way. owner_of: the brand that a subscription belongs to. However many
        subscriptions a brand has and however slow they are, it holds a share of the tries only.
        """
        of_receiver = Counter(receiver for receiver, _ in self._busy.values())
        of_owner = Counter(owner for _, owner in self._busy.values())
        waiting: dict[str, deque[WebhookDelivery]] = {}
        for one in self._due(now):
            if one.delivery_id not in self._busy:
                waiting.setdefault(owner_of.get(one.subscription_id, ""), deque()).append(one)
        started: list[WebhookDelivery] = []
        share = max(1, int(most * BRAND_SHARE))
        while waiting and len(self._busy) < most:
            owner = min(waiting, key=lambda name: of_owner[name])
            found = _next_of(waiting[owner], of_receiver) if of_owner[owner] < share else None
            if found is None:
                del waiting[owner]
                continue
            of_receiver[found.subscription_id] += 1
            of_owner[owner] += 1
            self._busy[found.delivery_id] = found.subscription_id, owner
            started.append(found)
        return started

    def _due(self, now: datetime) -> list[WebhookDelivery]:
        return sorted(
            (one for one, _ in self._open.values() if one.next_attempt_at is not None and one.next_attempt_at <= now),
            key=lambda one: (one.next_attempt_at, one.delivery_id),
        )

    def waits(self, now: datetime) -> bool:
        """Whether nothing is on its way and nothing is due at `now`."""
        due = (one.next_attempt_at for one, _ in self._open.values())
        return not self._busy and all(at is None or at > now for at in due)

    def back(self, one: WebhookDelivery) -> None:
        self._busy.pop(one.delivery_id, None)

    def busy(self) -> int:
        return len(self._busy)


def _next_of(waiting: deque[WebhookDelivery], of_receiver: Counter[str]) -> WebhookDelivery | None:
    """The first whose receiver may be called once more; those before it have to wait and are left out."""
    while waiting:
        one = waiting.popleft()
        if of_receiver[one.subscription_id] < MOST_AT_ONCE:
            return one
    return None
