"""The stage of the consume loop that tells receivers: each change becomes a delivery on the log, then an HTTP call.

At least once: a delivery is on the log before it is tried, and is tried until a receiver has taken it or time is over.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from schemas.codec import DecodeError, decoder
from schemas.events.alert import Alert
from schemas.events.placement import PlacementRecord
from schemas.events.webhook import Attempt, WebhookDelivery
from services.runtime import metrics
from services.runtime.clock import Clock, ahead
from services.runtime.consume import Drop, Due, Emit, Outcome, ToDeadLetter
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.logging import get_logger
from services.webhooks import signature
from services.webhooks.client import NotDeliveredError, Poster
from services.webhooks.deliveries import PendingDeliveries, after, first
from services.webhooks.messages import Message, of_alert, of_placement
from services.webhooks.subscriptions import Subscription, SubscriptionsError, SubscriptionsFile

LEDGER_TOPIC, ALERT_TOPIC, DELIVERY_TOPIC = "placement-ledger", "engagement-alert", "webhook-delivery"
REST_S = 3.0  # a stage at rest is asked again sooner than that
TOPICS = (LEDGER_TOPIC, ALERT_TOPIC, DELIVERY_TOPIC)
RESEND_HEADER = "resend"  # on a delivery that a person wants made again; all others on the topic are our own

log = get_logger(__name__)
_decode: dict[str, Callable[[bytes], PlacementRecord | Alert]] = {
    LEDGER_TOPIC: decoder(LEDGER_TOPIC),
    ALERT_TOPIC: decoder(ALERT_TOPIC),
}
_decode_delivery = msgspec.json.Decoder(WebhookDelivery).decode


class WebhookStage:
    """read: all records of one partition of the delivery topic. Raises SubscriptionsError where none can be known."""

    def __init__(
        self,
        subscriptions: SubscriptionsFile,
        poster: Poster,
        read: Callable[[int], Iterable[Record]],
        clock: Clock,
        *,
        first_retry_s: float,
        give_up_after_s: float,
        most: int = 32,
    ) -> None:
        self._subscriptions, self._poster, self._read, self._clock = subscriptions, poster, read, clock
        self._first_retry_s, self._give_up_after_s, self._most = first_retry_s, give_up_after_s, most
        self._last = subscriptions.all()
        self._pending = PendingDeliveries()
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="webhook")
        self._back: queue.SimpleQueue[tuple[WebhookDelivery, Attempt]] = queue.SimpleQueue()

    def assigned(self, partitions: Sequence[int]) -> None:
        for number in partitions:
            for record in self._read(number):
                if record.value is not None:
                    self._pending.put(_decode_delivery(record.value), number)

    def revoked(self, partitions: Sequence[int]) -> None:
        self._pending.forget(partitions)

    def lost(self) -> None:
        self._pending = PendingDeliveries()

    def in_flight(self) -> int:
        return self._pending.busy()

    def handle(self, record: Record) -> Outcome:
        """A change becomes deliveries; a delivery is looked at only where a person wants it made again."""
        if record.value is None:
            return Drop("tombstone")
        if record.topic == DELIVERY_TOPIC:
            return self._again(record)
        try:
            event = _decode[record.topic](record.value)
        except DecodeError as error:
            return ToDeadLetter("undecodable", f"无法解析 / cannot decode: {error}")
        message = _message(event)
        made = [
            first(message, one.subscription_id, self._clock.now())
            for one in self._known()
            if one.wants(message.event, message.brand_id, record.timestamp)
        ]
        for delivery in made:
            self._pending.put(delivery, record.partition)
        return Emit(tuple(_written(delivery, record.partition) for delivery in made))

    def tick(self) -> Due:
        records = self._taken()
        owners = {one.subscription_id: one.brand for one in self._last}
        started = self._pending.start(self._clock.now(), self._most, owners)
        return Due(tuple(records), tuple(partial(self._start, one) for one in started))

    def at_rest(self) -> bool:
        return self._pending.waits(ahead(self._clock, REST_S))

    def drain(self) -> Due:
        return Due(tuple(self._taken()))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, one: WebhookDelivery) -> None:
        self._threads.submit(self._try, one)

    def _again(self, record: Record) -> Outcome:
        if record.header(RESEND_HEADER) is None:
            return Drop("own_delivery")
        try:
            self._pending.put(_decode_delivery(record.value or b""), record.partition)
        except msgspec.MsgspecError as error:
            return ToDeadLetter("undecodable", f"无法解析 / cannot decode: {error}")
        return Emit()

    def _known(self) -> tuple[Subscription, ...]:
        """The subscriptions as they are, or as they were last where the file cannot be read now."""
        try:
            self._last = self._subscriptions.all()
        except SubscriptionsError as error:
            log.error("subscriptions_unreadable", cause=str(error))
        return self._last

    def _try(self, one: WebhookDelivery) -> None:
        """On a thread: one call, whose result `tick` takes."""
        status, problem = None, ""
        try:
            receiver = next((s for s in self._known() if s.subscription_id == one.subscription_id), None)
            if receiver is None:
                status, problem = 410, "unsubscribed"
            else:
                body = msgspec.json.encode(one.body)
                headers = signature.headers(receiver.secret, one.message_id, self._clock.now(), body)
                status = self._poster.post(receiver.url, headers, body)
        except NotDeliveredError as error:
            problem = str(error)
        except Exception as error:  # the thread's own border: whatever it is, it concerns this delivery only
            log.exception("webhook_bug", subscription_id=one.subscription_id)
            problem = f"bug:{type(error).__name__}"
        self._back.put((one, Attempt(at=self._clock.now(), status=status, problem=problem)))

    def _taken(self) -> list[Outgoing]:
        records: list[Outgoing] = []
        while True:
            try:
                one, attempt = self._back.get_nowait()
            except queue.Empty:
                return records
            self._pending.back(one)
            partition = self._pending.holds(one)
            if partition is None:
                continue  # given away or asked for anew meanwhile
            tried = after(one, attempt, self._first_retry_s, self._give_up_after_s)
            self._pending.put(tried, partition)
            metrics.WEBHOOKS.labels(tried.event, tried.state.lower()).inc()
            log.info("webhook_tried", subscription_id=one.subscription_id, event_type=one.event, state=tried.state,
                     status=attempt.status, problem=attempt.problem, tries=tried.tries)  # fmt: skip
            records.append(_written(tried, partition))


def _written(one: WebhookDelivery, partition: int) -> Outgoing:
    return Outgoing(DELIVERY_TOPIC, msgspec.json.encode(one), one.delivery_id.encode(), partition)


def _message(event: PlacementRecord | Alert) -> Message:
    return of_placement(event) if isinstance(event, PlacementRecord) else of_alert(event)
