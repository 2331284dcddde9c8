"""The platform's calls to us: real ones are taken, anything else ends in a refusal, never in another exception."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import AuthorisationChanged, CallbackRefusedError, CallbackRequest, Received
from services.adapter_weibo.callbacks import WeiboCallbacks
from services.adapter_weibo.settings import CALLBACK_LIMITS
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule
from tests.adapter_weibo.samples import NOW, OPEN
from tests.simulator.receiver import Receiver, receiving
from tests.waiting import wait_for

CALLBACKS = WeiboCallbacks()
STAMP = str(int(NOW.timestamp()))
MESSAGE = '{"type":"text","receiver_id":1900000002,"sender_id":1900000777,"text":"在吗","data":{}}'.encode()


def signed(secret: str = OPEN.app_secret, timestamp: str = STAMP, nonce: str = "12345", **more: str) -> dict[str, str]:
    joined = "".join(sorted((secret, timestamp, nonce)))
    return {"signature": hashlib.sha1(joined.encode()).hexdigest(), "timestamp": timestamp, "nonce": nonce, **more}


def revocation(**changes: str) -> dict[str, str]:
    told = {"source": OPEN.app_id, "uid": OPEN.open_id, "auth_end": STAMP, "verification": "a1b2"}
    return told | changes


def receive(
    query: Mapping[str, str], method: str = "GET", body: bytes = b"", account: Account = OPEN, now: datetime = NOW
) -> Received:
    return CALLBACKS.receive(account, CallbackRequest(method, query, {}, body), now)


def refused(
    query: Mapping[str, str], method: str = "GET", body: bytes = b"", account: Account = OPEN, now: datetime = NOW
) -> tuple[str, int]:
    with pytest.raises(CallbackRefusedError) as caught:
        receive(query, method, body, account, now)
    return caught.value.reason, caught.value.status


# --- signed calls ---


def test_the_check_of_our_address_is_answered_with_its_own_words() -> None:
    received = receive(signed(echostr="8317464"))
    assert (received.answer.body, received.answer.status, received.events) == (b"8317464", 200, ())
    assert received.answer.content_type.startswith("text/plain")


def test_the_signature_is_that_of_the_three_sorted_parts() -> None:
    query = {"timestamp": "1772504100", "nonce": "n-1", "echostr": "e"}
    joined = "1772504100" + "n-1" + "secret-2"  # digits before letters, n before s
    query["signature"] = hashlib.sha1(joined.encode()).hexdigest()
    assert receive(query, now=datetime.fromtimestamp(1772504100, UTC)).answer.body == b"e"


@pytest.mark.parametrize(
    "changes",
    [{"signature": ""}, {"signature": "0" * 40}, {"timestamp": str(int(STAMP) + 1)}, {"nonce": "12346"}, {"nonce": ""}],
)
def test_a_changed_call_is_refused(changes: dict[str, str]) -> None:
    assert refused(signed(echostr="1") | changes) == ("signature_wrong", 403)


def test_a_signature_is_not_taken_in_another_spelling() -> None:
    query = signed(echostr="1")
    assert refused(query | {"signature": query["signature"].upper()}) == ("signature_wrong", 403)


def test_an_account_without_a_secret_takes_nothing_although_anybody_could_sign_for_it() -> None:
    nobody = msgspec.structs.replace(OPEN, app_secret="")
    assert refused(signed(secret="", echostr="1"), account=nobody) == ("app_secret_not_configured", 403)


@pytest.mark.parametrize("minutes", [-6, 6, -60 * 24 * 365])
def test_an_old_call_is_refused_though_its_signature_is_right(minutes: int) -> None:
    assert refused(signed(echostr="1"), now=NOW + timedelta(minutes=minutes)) == ("stale", 403)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1e9", "٣", "²", "9" * 16, "9" * 400])
def test_a_stamp_that_is_none_is_not_fresh(timestamp: str) -> None:
    assert refused(signed(timestamp=timestamp, echostr="1")) == ("stale", 403)


def test_a_stamp_in_milliseconds_is_read() -> None:
    assert receive(signed(timestamp=f"{STAMP}123", echostr="1")).answer.body == b"1"


def test_a_call_made_again_with_its_parts_exchanged_has_the_same_identity() -> None:
    later = str(int(STAMP) + 7)
    one = receive(signed(timestamp=STAMP, nonce=later, echostr="1"))
    other = receive(signed(timestamp=later, nonce=STAMP, echostr="1"))
    assert one.identity == other.identity
    assert one.identity != receive(signed(echostr="1")).identity


@pytest.mark.parametrize(("echo", "reason"), [("", "echostr_missing"), ("x" * 5000, "echostr_too_long")])
def test_nothing_and_too_much_is_not_echoed(echo: str, reason: str) -> None:
    assert refused(signed(echostr=echo)) == (reason, 400)


def test_a_direct_message_is_taken_and_answered_with_silence() -> None:
    received = receive(signed(), "POST", MESSAGE)
    assert (received.answer.body, received.answer.status, received.events) == (b"", 200, ())
    assert received.identity == receive(signed(nonce="another"), "POST", MESSAGE).identity
    assert received.identity != receive(signed(), "POST", MESSAGE.replace(b"text", b"event")).identity


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"", "body_not_json"), (b"\xff{", "body_not_json"), (b"[" * 5000, "body_not_json"), (b"7", "body_not_an_object")],
)
def test_a_signed_message_that_is_none_is_refused(body: bytes, reason: str) -> None:
    assert refused(signed(), "POST", body) == (reason, 400)


def test_size_and_method_are_limited_before_anything_is_read() -> None:
    assert refused(signed(), "POST", b" " * (CALLBACK_LIMITS.most_bytes + 1)) == ("body_too_large", 413)
    assert refused(signed(), "PUT") == ("method_not_allowed", 405)


# --- the unsigned end of a permission ---


@pytest.mark.parametrize("by_post", [False, True])
def test_the_end_of_a_permission_is_a_hint_and_no_proof(by_post: bool) -> None:
    query, body = ({}, str(httpx.QueryParams(revocation())).encode()) if by_post else (revocation(), b"")
    received = receive(query, "POST" if by_post else "GET", body)
    assert received.events == (AuthorisationChanged(granted=False, proven=False),)
    assert received.occurred_at == datetime.fromtimestamp(int(STAMP), UTC)
    assert received.identity == receive(revocation(verification="other")).identity
    assert received.identity != receive(revocation(auth_end="1")).identity


@pytest.mark.parametrize("auth_end", ["later", "9999999999", "99999999999999999999"])
def test_a_time_that_cannot_be_is_left_out(auth_end: str) -> None:
    assert receive(revocation(auth_end=auth_end)).occurred_at is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "3100000009"}, "another_app"),
        ({"uid": "1900000009"}, "another_account"),
        ({"verification": ""}, "signature_missing"),
        ({"uid": ""}, "signature_missing"),
    ],
)
def test_a_hint_about_somebody_else_or_without_its_parts_is_refused(changes: dict[str, str], reason: str) -> None:
    assert refused(revocation(**changes)) == (reason, 403)


def test_a_call_without_anything_is_refused() -> None:
    assert refused({}) == ("signature_missing", 403)
    assert refused({}, "POST", b"\xff\xfe") == ("body_not_a_form", 400)
    assert refused({}, "POST", b"a=1&" * 60) == ("body_not_a_form", 400)


# --- whatever comes ---

anything = st.text(st.characters(), max_size=40) | st.sampled_from(["", STAMP, "12345", "\ud800", "1" * 30])
parameters = st.dictionaries(
    st.sampled_from(["signature", "timestamp", "nonce", "echostr", "source", "uid", "auth_end", "verification", "x"]),
    anything,
)


@given(
    base=st.sampled_from([signed(echostr="1"), signed(), revocation(), {}]),
    changes=parameters,
    without=st.sets(st.sampled_from(["signature", "timestamp", "nonce", "uid", "auth_end"])),
    method=st.sampled_from(["GET", "POST", "HEAD", ""]),
    body=st.binary(max_size=200) | st.just(MESSAGE) | st.builds(lambda n: MESSAGE[:n], st.integers(0, len(MESSAGE))),
)
def test_mutated_calls_are_taken_or_refused_and_nothing_else(
    base: dict[str, str], changes: dict[str, str], without: set[str], method: str, body: bytes
) -> None:
    query = {name: value for name, value in (base | changes).items() if name not in without}
    try:
        received = receive(query, method, body)
    except CallbackRefusedError as refusal:
        _check_refusal(refusal)
        return
    assert received.identity.isascii()
    if "signature" in query:
        assert received.events == ()
        assert query["signature"] == signed(timestamp=query["timestamp"], nonce=query["nonce"])["signature"]
    else:
        assert received.events == (AuthorisationChanged(granted=False, proven=False),)


def _check_refusal(refusal: CallbackRefusedError) -> None:
    """A constant word and a fault of the caller, not of ours."""
    assert 400 <= refusal.status < 500
    assert refusal.reason.replace("_", "").isalpha()


# --- from the simulated platform, over real HTTP ---


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def called(sim: SimulatorServer, receiver: Receiver) -> SimulatorServer:
    sim.simulation.webhooks.rule = RetryRule(tries=3, timeout_s=60, pause_s=0.01)
    sim.world("weibo").accounts["qinghe-life"].options["callback_url"] = receiver.url

    def answer(request: CallbackRequest) -> tuple[int, bytes]:
        received = CALLBACKS.receive(OPEN, request, sim.clock.now())
        return received.answer.status, received.answer.body

    receiver.answer = answer
    return sim


def act(sim: SimulatorServer, name: str) -> httpx.Response:
    said = {"platform": "weibo", "account": "qinghe-life", "act": name}
    return httpx.post(f"{sim.url}/_sim/acts", json=said).raise_for_status()


def test_the_platforms_check_of_our_address_succeeds(called: SimulatorServer, receiver: Receiver) -> None:
    act(called, "check_address")
    wait_for(called.simulation.webhooks.idle, "all calls are over")
    (delivery,) = called.simulation.webhooks.sent("weibo")
    assert (delivery.delivered, delivery.attempts) == (True, [200])


def test_an_address_that_does_not_echo_fails_the_check(called: SimulatorServer, receiver: Receiver) -> None:
    receiver.answer = lambda _request: (200, b"hello")
    act(called, "check_address")
    wait_for(called.simulation.webhooks.idle, "all calls are over")
    (delivery,) = called.simulation.webhooks.sent("weibo")
    assert (delivery.delivered, delivery.attempts) == (False, [200, 200, 200])


@pytest.mark.parametrize(("fault", "times"), [(None, 1), ("webhook_thrice", 3), ("webhook_lost", 0)])
def test_a_user_who_withdraws_the_permission_is_heard_of_as_one_hint(
    called: SimulatorServer, receiver: Receiver, fault: str | None, times: int
) -> None:
    if fault:
        called.set_fault("weibo", "authorisation_cancelled", fault, count=1)
    act(called, "cancel_authorisation")
    wait_for(called.simulation.webhooks.idle, "all calls are over")
    heard = [CALLBACKS.receive(OPEN, request, called.clock.now()) for request in receiver.wait_for(times)]
    assert len(heard) == times
    assert len({one.identity for one in heard}) == min(times, 1)
    assert all(one.events == (AuthorisationChanged(granted=False, proven=False),) for one in heard)


def test_an_act_takes_no_details(called: SimulatorServer) -> None:
    said = {"platform": "weibo", "account": "qinghe-life", "act": "check_address", "with": {"x": "1"}}
    answer = httpx.post(f"{called.url}/_sim/acts", json=said)
    assert (answer.status_code, answer.json()["field"]) == (400, "x")
