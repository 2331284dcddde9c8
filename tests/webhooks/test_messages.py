"""Each change of a placement is one message with a name of its own, and nothing that stays inside is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events.content import MasterContent, Target
from schemas.events.placement import HistoryEntry, PlacementRecord, State
from schemas.events.webhook import Attempt
from services.adapter.placement.transitions import intended
from services.webhooks.client import NotDeliveredError, Poster
from services.webhooks.deliveries import MOST_AT_ONCE, PendingDeliveries, after, first
from services.webhooks.messages import EVENTS, of_placement
from services.webhooks.signature import headers, new_secret
from tests.webhooks.receiver import Receiver, genuine

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)


@pytest.fixture
def created() -> PlacementRecord:
    content = MasterContent(
        event_id="c:1", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", campaign_id="spring", trace_id="t",
        content_id="c", version=1, kind="notice", title="新茶", key_message="新茶",
        targets=(Target(platform="toy", account="tea"),),
    )  # fmt: skip
    return intended(content, content.targets[0], None, None, NOW, "w")


def then(record: PlacementRecord, state: State) -> PlacementRecord:
    history = (*record.history, HistoryEntry(at=NOW, state=state))
    return replace(record, state=state, revision=record.revision + 1, history=history)


def test_every_state_that_is_entered_has_a_name_and_a_change_within_it_is_an_update(created: PlacementRecord) -> None:
    assert of_placement(created).event == "placement.created"
    names = {
        "CALLING": "placement.calling", "ACCEPTED": "placement.accepted", "LIVE": "placement.live",
        "REJECTED": "placement.failed", "MISSED": "placement.missed", "CANCELLED": "placement.cancelled",
        "REMOVED": "placement.removed", "PARKED": "placement.parked", "UNKNOWN": "placement.unknown",
        "NEEDS_HUMAN": "placement.needs_human",
    }  # fmt: skip
    states: dict[State, str] = msgspec.convert(names, dict[State, str])
    for state, event in states.items():
        assert of_placement(then(created, state)).event == event
        assert of_placement(then(then(created, state), state)).event == "placement.updated"
    assert {"placement.created", "placement.updated", *names.values()} <= set(EVENTS)


def test_the_same_fact_has_the_same_id_and_another_change_another(created: PlacementRecord) -> None:
    live = then(created, "LIVE")
    assert of_placement(created) == of_placement(created)
    assert of_placement(created).message_id != of_placement(live).message_id


def test_a_delivery_is_tried_again_later_each_time_and_given_up_in_the_end(created: PlacementRecord) -> None:
    one, at, pauses = first(of_placement(created), "wh-1", NOW), NOW, list[float]()
    while one.state == "PENDING":
        assert one.next_attempt_at is not None
        pauses.append((one.next_attempt_at - at).total_seconds())
        at = one.next_attempt_at
        one = after(one, Attempt(at=at, status=500), 5.0, 86_400.0)
    assert one.state == "GIVEN_UP"
    assert pauses[:5] == [0.0, 5.0, 15.0, 45.0, 135.0]
    assert max(pauses) == 3600.0
    assert at - NOW < timedelta(days=1)
    assert after(first(of_placement(created), "wh-1", NOW), Attempt(at=NOW, status=410), 5, 86_400).state == "GIVEN_UP"


def test_a_receiver_that_hangs_has_two_calls_at_most_and_others_their_turn(created: PlacementRecord) -> None:
    pending = PendingDeliveries()
    for revision in range(10):
        message = of_placement(replace(created, revision=revision + 1))
        pending.put(first(message, "wh-hangs", NOW), 0)
        pending.put(first(message, "wh-other", NOW + timedelta(seconds=1)), 0)
    started = pending.start(NOW + timedelta(seconds=2), 32, {})
    assert sum(one.subscription_id == "wh-hangs" for one in started) == MOST_AT_ONCE
    assert sum(one.subscription_id == "wh-other" for one in started) == MOST_AT_ONCE


def test_a_signature_holds_for_its_id_time_and_body_and_for_nothing_else() -> None:
    secret, body = new_secret(), '{"标题":"新茶"}'.encode()
    signed = headers(secret, "pl-1:3", NOW, body)
    assert genuine(secret, signed, body)
    assert not genuine(secret, signed, body + b" ")
    assert not genuine(secret, signed | {"webhook-id": "pl-1:4"}, body)
    assert not genuine(secret, signed | {"webhook-timestamp": "1"}, body)
    assert not genuine(new_secret(), signed, body)


def test_private_addresses_are_refused_before_anything_is_sent_unless_they_are_allowed() -> None:
    with Receiver() as receiver:
        guarded, open_ = Poster(allow_private=False), Poster(allow_private=True)
        with pytest.raises(NotDeliveredError, match="address_refused"):
            guarded.post(receiver.url, {}, b"{}")
        assert receiver.calls == []
        assert open_.post(receiver.url, {}, b"{}") == 204


def test_a_redirect_is_not_followed_and_a_receiver_that_says_nothing_is_left_in_time() -> None:
    patient, hasty = Poster(allow_private=True, timeout_s=60), Poster(allow_private=True, timeout_s=0.3)
    with Receiver(lambda before: 302) as elsewhere, Receiver(lambda before: 0) as hangs:
        assert patient.post(elsewhere.url, {}, b"{}") == 302
        with pytest.raises(NotDeliveredError, match="timeout"):
            hasty.post(hangs.url, {}, b"{}")
    with pytest.raises(NotDeliveredError, match="connection_failed"):
        patient.post(elsewhere.url, {}, b"{}")
