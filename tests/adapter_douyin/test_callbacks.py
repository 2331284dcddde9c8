"""Douyin's webhooks: what is taken, what is refused, and that no bytes whatsoever do anything else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import (
    AuthorisationChanged,
    CallbackRefusedError,
    CallbackRequest,
    CommentArrived,
    PublicationChanged,
    Received,
)
from services.adapter_douyin.callbacks import MOST_BYTES, DouyinCallbacks, sign
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule
from tests.simulator.receiver import Receiver, receiving
from tests.waiting import wait_for

NOW = datetime(2026, 3, 3, tzinfo=UTC)
OPEN_ID = "b9b71865-7fea-44cc-9123-000000000001"
SECRET = "demo-douyin-secret-1"
ACCOUNT = Account(
    platform="douyin", account="a", brand_id="b", way="h5", app_id="aw1", app_secret=SECRET, open_id=OPEN_ID
)
COMMENT = {
    "comment_id": "@c+/==",
    "comment_user_id": "43eae150-12eb-4035-8d40-000000000002",
    "content": "好看👍",
    "create_time": 1772507751,
    "digg_count": 2,
    "reply_comment_total": 0,
    "reply_to_comment_id": "",
    "reply_to_item_id": "@i+/==",
    "at_user_id": "",
}


def said(event: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"event": event, "client_key": "aw1", "from_user_id": OPEN_ID, "to_user_id": "", "content": content} | more


def request(body: Any, *, secret: str = SECRET, **headers: str) -> CallbackRequest:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return CallbackRequest("POST", {}, {"x-douyin-signature": sign(secret, raw), **named}, raw)


def receive(body: Any, account: Account = ACCOUNT, **headers: str) -> Received:
    return DouyinCallbacks().receive(account, request(body, **headers), NOW)


def refusal(asked: CallbackRequest, account: Account = ACCOUNT) -> tuple[str, int]:
    with pytest.raises(CallbackRefusedError) as caught:
        DouyinCallbacks().receive(account, asked, NOW)
    return caught.value.reason, caught.value.status


def test_the_signature_is_the_one_of_the_documented_scheme() -> None:
    body = b'{"event":"verify_webhook","client_key":"abc","content":{"challenge":12345}}'
    assert sign("test_secret_0123456789", body) == "e7d5d2903307118c6170ff708191aaf224f1b911"
    account = replace(ACCOUNT, app_id="abc", app_secret="test_secret_0123456789")
    received = DouyinCallbacks().receive(account, request(body, secret="test_secret_0123456789"), NOW)
    assert (received.answer.status, received.answer.body) == (200, b'{"challenge":12345}')
    assert received.answer.content_type.startswith("application/json")
    assert received.events == ()


@pytest.mark.parametrize("as_string", [False, True])
def test_content_is_read_as_an_object_and_as_a_json_string(as_string: bool) -> None:
    content: Any = {"share_id": "s1", "item_id": "@i=="}
    received = receive(said("create_video", orjson.dumps(content).decode() if as_string else content))
    assert received.events == (PublicationChanged({"share_id": "s1", "item_id": "@i=="}),)


def test_a_comment_has_the_identity_that_polling_gives_it() -> None:
    body = said("item_comment_reply", COMMENT, from_user_id=COMMENT["comment_user_id"], to_user_id=OPEN_ID)
    received = receive(body)
    (event,) = received.events
    assert isinstance(event, CommentArrived)
    assert (event.native_id, event.comment.comment_id, event.comment.text) == ("@i+/==", "@c+/==", "好看👍")
    assert event.comment.author == COMMENT["comment_user_id"]
    assert (event.comment.parent_comment_id, event.comment.likes) == (None, 2)
    assert received.occurred_at == event.comment.written_at == datetime.fromtimestamp(1772507751, UTC)


def test_numbers_written_as_strings_and_a_parent_are_read() -> None:
    content = {**COMMENT, "create_time": "1772507751", "digg_count": "7", "reply_to_comment_id": "@p=="}
    (event,) = receive(said("item_comment_reply", content)).events
    assert isinstance(event, CommentArrived)
    assert (event.comment.likes, event.comment.parent_comment_id) == (7, "@p==")


@pytest.mark.parametrize(
    ("event", "granted"),
    [
        ("authorize", True),
        ("contract_authorize", True),
        ("unauthorize", False),
        ("contract_unauthorize", False),
    ],
)
def test_rights_given_and_withdrawn(event: str, granted: bool) -> None:
    assert receive(said(event, {"scopes": ["user_info", 5]})).events == (AuthorisationChanged(granted, ("user_info",)),)
    assert receive(said(event, None)).events == (AuthorisationChanged(granted),)


def test_an_event_nobody_asked_for_is_acknowledged_and_means_nothing() -> None:
    for event in ("new_video_digg", "im_receive_msg", "something_new", None, 5, ["x"]):
        received = receive(said(event, {"x": 1}))  # type: ignore[arg-type]  # what may come over the wire
        assert (received.answer.status, received.events) == (200, ())


@pytest.mark.parametrize(
    "signature", ["", "0" * 40, "é" * 40, "\ud800", sign("other", b"{}"), sign(SECRET, b"{}").upper()]
)
def test_a_wrong_signature_is_refused_before_anything_is_read(signature: str) -> None:
    body = b"{}" if signature else b"not json"
    assert refusal(CallbackRequest("POST", {}, {"x-douyin-signature": signature}, body)) == ("signature", 403)


def test_a_body_changed_by_one_space_is_refused() -> None:
    good = request(said("authorize", {}))
    assert refusal(CallbackRequest("POST", {}, good.headers, good.body + b" ")) == ("signature", 403)


def test_an_account_without_a_secret_takes_no_callbacks() -> None:
    account = replace(ACCOUNT, app_secret="")
    assert refusal(request(said("authorize", {}), secret=""), account) == ("no_secret", 403)


def test_a_webhook_secret_of_its_own_goes_before_the_app_secret() -> None:
    account = replace(ACCOUNT, options={"webhook_secret": "w"})
    assert refusal(request(said("authorize", {})), account) == ("signature", 403)
    assert DouyinCallbacks().receive(account, request(said("authorize", {}), secret="w"), NOW).events


def test_callbacks_of_another_app_or_another_user_are_refused() -> None:
    assert refusal(request(said("authorize", {}, client_key="aw2"))) == ("other_app", 403)
    assert refusal(request(said("unauthorize", {}, from_user_id="other"))) == ("other_account", 403)
    assert refusal(request(said("create_video", {}, from_user_id=None))) == ("other_account", 403)
    elsewhere = said("item_comment_reply", COMMENT, from_user_id="x", to_user_id="y")
    assert refusal(request(elsewhere)) == ("other_account", 403)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"a":"\\ud800"}',
        b"[" * 5000,
        said("verify_webhook", {}),
        said("verify_webhook", {"challenge": True}),
        said("verify_webhook", {"challenge": 1.5}),
        said("create_video", {"share_id": "s1"}),
        said("create_video", {"share_id": "", "item_id": "@i=="}),
        said("create_video", "{broken"),
        said("create_video", "[]"),
        said("create_video", 5),
        said("item_comment_reply", {**COMMENT, "comment_id": None}),
        said("item_comment_reply", {**COMMENT, "create_time": None}),
        said("item_comment_reply", {**COMMENT, "create_time": -1}),
        said("item_comment_reply", {**COMMENT, "create_time": 10**18}),
        said("item_comment_reply", {**COMMENT, "create_time": True}),
        said("item_comment_reply", {**COMMENT, "create_time": "１２"}),
        said("item_comment_reply", {**COMMENT, "reply_to_item_id": {}}),
    ],
)
def test_what_is_signed_and_makes_no_sense_is_malformed(body: Any) -> None:
    assert refusal(request(body)) in (("malformed", 400), ("other_app", 403))


def test_other_methods_and_bodies_beyond_all_bounds_are_refused() -> None:
    assert refusal(CallbackRequest("GET", {}, {}, b"")) == ("method", 405)
    assert refusal(request(b" " * (MOST_BYTES + 1))) == ("too_large", 413)


def test_a_replay_under_a_forged_message_id_is_known_for_the_same_call() -> None:
    body = said("unauthorize", {}, log_id="l1")
    first = receive(body, msg_id="m1").identity
    assert receive(body, msg_id="m1").identity == first
    assert receive(body, msg_id="forged").identity == first
    assert receive(body).identity == first


def test_a_forged_message_id_hides_no_other_call() -> None:
    stolen = receive(said("unauthorize", {}, log_id="l1"), msg_id="m2").identity
    assert receive(said("unauthorize", {}, log_id="l2"), msg_id="m2").identity != stolen


def test_equal_events_without_a_log_id_are_told_apart_by_their_message_id() -> None:
    body = said("unauthorize", {})
    assert receive(body, msg_id="m1").identity == receive(body, msg_id="m1").identity
    assert receive(body, msg_id="m1").identity != receive(body, msg_id="m2").identity
    assert len(receive(body, msg_id="m" * 10_000).identity) < 300


REAL = [
    orjson.dumps(said("verify_webhook", {"challenge": 12345})),
    orjson.dumps(said("create_video", {"share_id": "s1", "item_id": "@i+/=="}, log_id="l")),
    orjson.dumps(said("item_comment_reply", orjson.dumps(COMMENT).decode(), log_id="l")),
    orjson.dumps(said("unauthorize", {"scopes": ["user_info"]})),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


def _ends_well(asked: CallbackRequest) -> None:
    try:
        received = DouyinCallbacks().receive(ACCOUNT, asked, NOW)
    except CallbackRefusedError as refused:
        statuses = {refused.status}
    else:
        statuses = {received.answer.status}
        assert isinstance(received, Received)
        assert received == DouyinCallbacks().receive(ACCOUNT, asked, NOW)
    assert statuses <= {200, 400, 403, 405, 413}


@given(
    st.sampled_from(REAL),
    st.integers(0, 400),
    st.integers(0, 40),
    st.binary(max_size=12),
    st.booleans(),
    st.text(max_size=9),
)
def test_a_mutated_callback_is_received_or_refused_and_nothing_else(
    body: bytes, at: int, cut: int, put: bytes, signed: bool, message_id: str
) -> None:
    mutated = body[:at] + put + body[at + cut :]
    signature = sign(SECRET, mutated if signed else body)
    headers = {"x-douyin-signature": signature, "msg-id": message_id}
    if not signed and mutated != body:
        assert refusal(CallbackRequest("POST", {}, headers, mutated)) == ("signature", 403)
    _ends_well(CallbackRequest("POST", {}, headers, mutated))


@given(
    st.sampled_from(["verify_webhook", "create_video", "item_comment_reply", "authorize", "unauthorize"]),
    st.dictionaries(st.sampled_from([*COMMENT, "challenge", "share_id", "item_id", "scopes"]), JSON, max_size=9) | JSON,
    st.booleans(),
)
def test_any_signed_content_is_received_or_refused(event: str, content: Any, as_string: bool) -> None:
    _ends_well(request(said(event, orjson.dumps(content).decode() if as_string else content)))


# --- as the simulated platform sends them, over real HTTP ------------------------------------------------------------


@pytest.fixture
def receiver(sim: SimulatorServer) -> Iterator[Receiver]:
    sim.simulation.webhooks.rule = RetryRule(timeout_s=60)  # what is only slow must not be sent again
    with receiving() as running:
        sim.world("douyin").accounts["qinghe-tea"].options["callback_url"] = running.url
        yield running


def act(sim: SimulatorServer, name: str) -> dict[str, Any]:
    answer = httpx.post(f"{sim.url}/_sim/acts", json={"platform": "douyin", "account": "qinghe-tea", "act": name})
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


def events(receiver: Receiver, account: Account) -> list[Received]:
    return [DouyinCallbacks().receive(account, got, NOW) for got in receiver.got]


def test_the_challenge_of_a_new_address_is_answered(sim: SimulatorServer, receiver: Receiver, account: Account) -> None:
    receiver.answer = lambda got: (200, DouyinCallbacks().receive(account, got, NOW).answer.body)
    act(sim, "verify_webhook")
    wait_for(sim.simulation.webhooks.idle, "all calls are over")
    (delivery,) = sim.simulation.webhooks.sent()
    assert (delivery.delivered, delivery.attempts) == (True, [200])


def test_a_call_sent_three_times_has_one_identity(sim: SimulatorServer, receiver: Receiver, account: Account) -> None:
    sim.set_fault("douyin", "unauthorize", "webhook_thrice", count=1)
    act(sim, "unauthorize")
    receiver.wait_for(3)
    received = events(receiver, account)
    assert len({one.identity for one in received}) == 1
    assert all(one.events[0] == AuthorisationChanged(False, one.events[0].scopes) for one in received)  # type: ignore[union-attr]  # its type is compared


def test_every_comment_is_told_once_with_the_id_that_polling_finds(
    sim: SimulatorServer, receiver: Receiver, account: Account, drive: Any, content: Any
) -> None:
    drive(content()).run()
    sim.clock.advance(25)
    with sim.simulation.instant():
        sim.simulation.pass_time(sim.simulation.chosen("douyin"))
    sim.clock.advance(7200)
    world = sim.world("douyin")
    (post,) = world.posts
    with sim.simulation.instant():
        sim.simulation.pass_time(sim.simulation.chosen("douyin"))
        written = {comment.native_id for comment in world.comments(post)}
    assert len(written) > 3
    receiver.wait_for(len(written))
    wait_for(sim.simulation.webhooks.idle, "all calls are over")
    found = [one.events[0] for one in events(receiver, account)]
    ids = [event.comment.comment_id for event in found if isinstance(event, CommentArrived)]
    assert len(ids) == len(set(ids))
    assert written <= set(ids)
    assert {event.native_id for event in found if isinstance(event, CommentArrived)} == {post.native_id}


def test_an_event_that_is_not_subscribed_is_not_sent(sim: SimulatorServer, receiver: Receiver) -> None:
    sim.world("douyin").state["events"] = {"create_video": 1, "unauthorize": 0}
    act(sim, "unauthorize")
    assert sim.simulation.webhooks.sent() == []
