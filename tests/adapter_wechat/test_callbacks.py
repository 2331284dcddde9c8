"""WeChat's calls to us: nothing but the platform's own words gets in, whatever the bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from services.adapter.contract.accounts import Account
from services.adapter.contract.callbacks import CallbackRefusedError, CallbackRequest, PublicationChanged, Received
from services.adapter_wechat.callbacks import (
    WechatCallbacks,
    decrypted,
    encrypted,
    encrypted_answer,
    read_xml,
    signature,
)
from services.adapter_wechat.client import WechatClient
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule
from tests.adapter_wechat.samples import ACCOUNT, content, draft_of, intended
from tests.adapter_wechat.worker import Worker
from tests.simulator.receiver import Receiver, receiving
from tests.waiting import wait_for

# The published vectors.
KEY, APP_ID, TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wxb11529c136998cb6", "pamtest"
NOISE, WORDS = b"aaaabbbbccccdddd", "我是中文abcd123".encode()
SEALED = "jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="

NOW = datetime.fromtimestamp(1409304348, UTC)
PLAIN = replace(ACCOUNT, app_id=APP_ID, options={"callback_token": TOKEN})
SAFE = replace(PLAIN, options={"callback_token": TOKEN, "encoding_aes_key": KEY})
CALLBACKS = WechatCallbacks()

HEAD = (
    "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>"
    "<FromUserName><![CDATA[oAbCdEfGhIjKlMnOpQrStUvWxYz0]]></FromUserName><CreateTime>1409304340</CreateTime>"
)
PUBLISHED = (
    HEAD + "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[PUBLISHJOBFINISH]]></Event><PublishEventInfo>"
    "<publish_id>2650177668</publish_id><publish_status>0</publish_status><article_id><![CDATA[b5O2OUs25HB]]>"
    "</article_id><article_detail><count>2</count>"
    "<item><idx>1</idx><article_url><![CDATA[https://mp.weixin.qq.com/s?__biz=M&mid=2650177668&idx=1]]></article_url>"
    "</item><item><idx>2</idx><article_url><![CDATA[https://mp.weixin.qq.com/s?__biz=M&mid=2650177668&idx=2]]>"
    "</article_url></item></article_detail></PublishEventInfo></xml>"
)
REFUSED = (
    HEAD + "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[PUBLISHJOBFINISH]]></Event><PublishEventInfo>"
    "<publish_id>2650177669</publish_id><publish_status>4</publish_status><fail_idx>1</fail_idx><fail_idx>3</fail_idx>"
    "</PublishEventInfo></xml>"
)
SENT = (
    HEAD + "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[MASSSENDJOBFINISH]]></Event><MsgID>1000001625</MsgID>"
    "<Status><![CDATA[send success]]></Status><TotalCount>92</TotalCount><ArticleUrlResult><Count>1</Count><ResultList>"
    "<item><ArticleIdx>1</ArticleIdx><ArticleUrl><![CDATA[http://mp.weixin.qq.com/s?mid=206227730&idx=1]]></ArticleUrl>"
    "</item></ResultList></ArticleUrlResult></xml>"
)
WORDS_OF_A_USER = HEAD + "<MsgType>text</MsgType><Content><![CDATA[你好]]></Content><MsgId>23456</MsgId></xml>"
FOLLOWED = HEAD + "<MsgType>event</MsgType><Event>subscribe</Event></xml>"


def signed(body: bytes | str, nonce: str = "xxxxxx", at: datetime = NOW, **more: str) -> CallbackRequest:
    stamp = str(int(at.timestamp()))
    query = {"signature": signature(TOKEN, stamp, nonce), "timestamp": stamp, "nonce": nonce, **more}
    return CallbackRequest("POST", query, {}, body.encode() if isinstance(body, str) else body)


def safely(message: bytes | str, app_id: str = APP_ID, key: str = KEY) -> CallbackRequest:
    inside = message.encode() if isinstance(message, str) else message
    return enveloped(encrypted(key, app_id, inside, NOISE))


def enveloped(sealed: str) -> CallbackRequest:
    stamp = str(int(NOW.timestamp()))
    right = signature(TOKEN, stamp, "xxxxxx", sealed)
    return signed(f"<xml><Encrypt>{sealed}</Encrypt></xml>", msg_signature=right, encrypt_type="aes")


def refusal(request: CallbackRequest, account: Account = PLAIN, now: datetime = NOW) -> CallbackRefusedError:
    with pytest.raises(CallbackRefusedError) as caught:
        CALLBACKS.receive(account, request, now)
    assert 400 <= caught.value.status < 500
    return caught.value


# --- the vectors ---


def test_the_published_vectors() -> None:
    assert encrypted(KEY, APP_ID, WORDS, NOISE) == SEALED
    assert decrypted(KEY, APP_ID, SEALED) == WORDS
    assert signature(TOKEN, "1409304348", "xxxxxx", SEALED) == "82c962d39941aa48552f90ef55aa323dc620cc10"


@given(some.binary(max_size=200))
def test_whatever_is_encrypted_comes_out_again(message: bytes) -> None:
    assert decrypted(KEY, APP_ID, encrypted(KEY, APP_ID, message, NOISE)) == message


def test_an_encrypted_answer_is_what_the_platform_can_open() -> None:
    answer = read_xml(encrypted_answer(SAFE, "<xml>谢谢</xml>".encode(), NOW, "n-1", NOISE).body)
    assert decrypted(KEY, APP_ID, answer.first("Encrypt")).decode() == "<xml>谢谢</xml>"
    parts = [answer.first(name) for name in ("TimeStamp", "Nonce", "Encrypt")]
    assert signature(TOKEN, *parts) == answer.first("MsgSignature")


# --- what gets in ---


def test_the_address_is_confirmed_with_the_raw_echo() -> None:
    stamp = str(int(NOW.timestamp()))
    query = {"signature": signature(TOKEN, stamp, "n"), "timestamp": stamp, "nonce": "n", "echostr": "5838479218"}
    received = CALLBACKS.receive(PLAIN, CallbackRequest("GET", query, {}, b""), NOW)
    assert (received.answer.body, received.events) == (b"5838479218", ())
    assert refusal(CallbackRequest("GET", {**query, "signature": "0" * 40}, {}, b"")).status == 403


@pytest.mark.parametrize(("account", "wrap"), [(PLAIN, signed), (SAFE, safely)])
@pytest.mark.parametrize(
    ("message", "ids"),
    [
        (PUBLISHED, {"publish_id": "2650177668", "article_id": "b5O2OUs25HB", "msg_data_id": "2650177668"}),
        (REFUSED, {"publish_id": "2650177669"}),
        (SENT, {"msg_id": "1000001625", "msg_data_id": "206227730"}),
        (WORDS_OF_A_USER, None),
        (FOLLOWED, None),
    ],
)
def test_events_are_read_in_plain_and_in_safe_mode(
    account: Account, wrap: Callable[[str], CallbackRequest], message: str, ids: dict[str, str] | None
) -> None:
    received = CALLBACKS.receive(account, wrap(message), NOW)
    assert received.events == ((PublicationChanged(ids),) if ids else ())
    assert received.answer.body == b"success"
    assert received.occurred_at == datetime.fromtimestamp(1409304340, UTC)


def test_a_repetition_has_the_same_identity_and_another_event_has_another() -> None:
    messages = (PUBLISHED, PUBLISHED.replace("<publish_status>0", "<publish_status>6"), REFUSED, SENT, WORDS_OF_A_USER)
    first = [CALLBACKS.receive(PLAIN, signed(one), NOW).identity for one in messages]
    again = [CALLBACKS.receive(PLAIN, signed(one, nonce="other"), NOW).identity for one in messages]
    assert first == again
    assert len(set(first)) == len(messages)
    assert CALLBACKS.receive(SAFE, safely(PUBLISHED), NOW).identity == first[0]


def test_an_identity_tells_nobodys_id() -> None:
    assert "oAbCdEf" not in CALLBACKS.receive(PLAIN, signed(FOLLOWED), NOW).identity


def test_in_compatible_mode_only_the_signed_half_counts() -> None:
    genuine = safely(SENT)
    forged = PUBLISHED.replace("</xml>", genuine.body.decode().removeprefix("<xml>"))
    request = CallbackRequest("POST", genuine.query, {}, forged.encode())
    received = CALLBACKS.receive(SAFE, request, NOW)
    assert received.events == (PublicationChanged({"msg_id": "1000001625", "msg_data_id": "206227730"}),)


# --- what does not ---


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
def test_a_call_without_its_signature_is_refused(name: str) -> None:
    request = signed(PUBLISHED)
    query = {key: value for key, value in request.query.items() if key != name}
    assert refusal(CallbackRequest("POST", query, {}, request.body)).status == 403


@pytest.mark.parametrize("late", [timedelta(seconds=301), timedelta(seconds=-301), timedelta(days=900)])
def test_a_replayed_call_is_refused(late: timedelta) -> None:
    assert refusal(signed(PUBLISHED), now=NOW + late).reason == "stale"
    CALLBACKS.receive(PLAIN, signed(PUBLISHED), NOW + timedelta(seconds=15))  # the platform's own repetition


@pytest.mark.parametrize("stamp", ["", "x", "-1", "１４０９３０４３４８", "9" * 12, "9" * 400, "1409304348.5"])
def test_a_time_that_is_none_is_refused_even_when_it_is_signed(stamp: str) -> None:
    query = {"signature": signature(TOKEN, stamp, "n"), "timestamp": stamp, "nonce": "n"}
    assert refusal(CallbackRequest("POST", query, {}, PUBLISHED.encode())).reason in ("stale", "signature_missing")


def test_an_account_without_a_token_takes_nothing() -> None:
    account = replace(PLAIN, options={})
    stamp = str(int(NOW.timestamp()))
    query = {"signature": signature("", stamp, "n"), "timestamp": stamp, "nonce": "n"}
    assert refusal(CallbackRequest("POST", query, {}, b"<xml/>"), account).reason == "callback_token_not_configured"


def test_an_account_in_safe_mode_takes_no_plain_message() -> None:
    assert refusal(signed(PUBLISHED), SAFE).reason == "not_encrypted"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (safely(PUBLISHED, app_id="wx-of-somebody-else"), "encryption_wrong"),
        (safely(PUBLISHED, key="G" * 42 + "E"), "encryption_wrong"),
        (enveloped("!!!!"), "encryption_wrong"),
        (enveloped(base64.b64encode(bytes(15)).decode()), "encryption_wrong"),
        (enveloped(base64.b64encode(bytes(64)).decode()), "encryption_wrong"),
        (signed(safely(PUBLISHED).body, msg_signature="0" * 40), "signature_wrong"),
        (signed(safely(PUBLISHED).body), "signature_missing"),
        (safely("<xml></xml>"), "message_incomplete"),
        (safely("no xml"), "malformed_xml"),
    ],
)
def test_an_encrypted_call_that_is_not_for_us_is_refused(request_: CallbackRequest, reason: str) -> None:
    assert refusal(request_, SAFE).reason == reason


BOMB = (
    '<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><xml><MsgType>&b;</MsgType></xml>'
)
OUTSIDE = (
    '<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><MsgType>event</MsgType><Event>&a;</Event></xml>'
)
ELSEWHERE = '<!DOCTYPE xml SYSTEM "http://169.254.169.254/x.dtd"><xml><MsgType>event</MsgType></xml>'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (BOMB, "document_type_refused"),
        (OUTSIDE, "document_type_refused"),
        (ELSEWHERE, "document_type_refused"),
        ("<xml>" * 100 + "</xml>" * 100, "malformed_xml"),
        ("<xml>" + "<a/>" * 2000 + "</xml>", "malformed_xml"),
        (f"<xml>{'a' * 70_000}</xml>", "too_large"),
        ("", "malformed_xml"),
        ("<xml><MsgType>event</MsgType>", "malformed_xml"),
        ("<xml>&undeclared;</xml>", "malformed_xml"),
        ("<xml><MsgType>event</MsgType><Event>PUBLISHJOBFINISH</Event></xml>", "message_incomplete"),
        ("<xml><MsgType>event</MsgType><Event>MASSSENDJOBFINISH</Event></xml>", "message_incomplete"),
        ("<xml><MsgType>text</MsgType></xml>", "message_incomplete"),
        (safely(PUBLISHED).body.decode(), "encoding_aes_key_not_configured"),
    ],
)
def test_xml_that_is_no_message_is_refused(body: str, reason: str) -> None:
    assert refusal(signed(body)).reason == reason


@pytest.mark.parametrize("body", [BOMB, OUTSIDE, ELSEWHERE])
def test_encryption_hides_no_bomb(body: str) -> None:
    assert refusal(safely(body), SAFE).reason == "document_type_refused"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", ""])
def test_other_methods_are_refused(method: str) -> None:
    request = signed(PUBLISHED)
    assert refusal(CallbackRequest(method, request.query, {}, request.body)).status == 405


# --- mutations ---

REAL = [one.encode() for one in (PUBLISHED, REFUSED, SENT, WORDS_OF_A_USER, FOLLOWED)]


@some.composite
def mutated(draw: some.DrawFn) -> bytes:
    """A real callback with some pieces cut, doubled, moved or replaced."""
    body = bytearray(draw(some.sampled_from(REAL)))
    for _ in range(draw(some.integers(1, 5))):
        begin = draw(some.integers(0, len(body)))
        end = min(len(body), begin + draw(some.integers(0, 40)))
        piece = bytes(body[begin:end])
        body[begin:end] = draw(
            some.sampled_from([b"", piece * 2, piece[::-1], BOMB.encode(), b"\xff\xfe", b"<![CDATA["])
        )
        body[begin:begin] = draw(some.binary(max_size=8))
    return bytes(body)


def outcome(account: Account, request: CallbackRequest) -> None:
    """Received or refused; any other exception fails the test."""
    try:
        answered: Received | CallbackRefusedError = CALLBACKS.receive(account, request, NOW)
    except CallbackRefusedError as refused:
        answered = refused
    if isinstance(answered, CallbackRefusedError):
        assert 400 <= answered.status < 500
    else:
        assert answered.identity.isprintable()


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_any_bytes_are_received_or_refused(body: bytes) -> None:
    outcome(PLAIN, signed(body))
    outcome(SAFE, signed(body))
    outcome(SAFE, safely(body))


QUERY = some.dictionaries(
    some.sampled_from(["signature", "timestamp", "nonce", "echostr", "msg_signature", "encrypt_type"]),
    some.text(some.characters(), max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(some.sampled_from(["GET", "POST", "PUT"]), QUERY, some.booleans(), some.binary(max_size=60))
def test_any_query_is_received_or_refused(method: str, query: Mapping[str, str], sign: bool, body: bytes) -> None:
    """Also with lone surrogates, which no encoding knows."""
    said = dict(query)
    if sign:
        said["timestamp"] = str(int(NOW.timestamp()))
        said["signature"] = signature(TOKEN, said["timestamp"], said.get("nonce", ""))
    for account in (PLAIN, SAFE):
        outcome(account, CallbackRequest(method, said, {}, body))


@settings(max_examples=200, deadline=None)
@given(some.binary(max_size=200))
def test_any_ciphertext_is_received_or_refused(sealed: bytes) -> None:
    outcome(SAFE, enveloped(base64.b64encode(sealed).decode()))


# --- as the platform really calls ---


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        running.answer = lambda _request: (200, b"success")
        yield running


@pytest.fixture(params=["plain", "safe"])
def called(sim: SimulatorServer, receiver: Receiver, request: pytest.FixtureRequest) -> Account:
    """Our own declaration of an account whose callbacks go to the receiver."""
    options = {"callback_token": "t-0k3n"} | ({"encoding_aes_key": KEY} if request.param == "safe" else {})
    sim.world("wechat").accounts[ACCOUNT.account].options.update(options, callback_url=receiver.url)
    sim.simulation.webhooks.rule = RetryRule(tries=3, timeout_s=60, pause_s=0.01)
    return replace(ACCOUNT, options=options)


def events(account: Account, calls: list[CallbackRequest], now: datetime) -> list[tuple[str, dict[str, str]]]:
    received = [CALLBACKS.receive(account, call, now) for call in calls]
    return [(one.identity, event.ids) for one in received for event in one.events]  # type: ignore[union-attr]


@pytest.mark.parametrize("way", ["publish", "mass"])
def test_the_end_of_a_job_is_told_and_names_the_placement(
    sim: SimulatorServer, client: WechatClient, called: Account, receiver: Receiver, way: str
) -> None:
    draft = draft_of(content(), replace(ACCOUNT, way=way))
    record = Worker(sim, client).run(replace(intended(content(), sim.clock.now()), draft=draft))
    assert record.post is not None
    ((_, ids),) = events(called, receiver.wait_for(1), sim.clock.now())
    known = {**record.post.ids, **(record.steps[-1].result), "article_id": record.post.native_id}
    assert ids.items() <= known.items()
    assert ids.keys() & {"publish_id", "msg_id"}


def test_an_event_that_comes_three_times_is_one(
    sim: SimulatorServer, client: WechatClient, called: Account, receiver: Receiver
) -> None:
    sim.set_fault("wechat", "PUBLISHJOBFINISH", "webhook_thrice", count=1)
    Worker(sim, client).run(intended(content(), sim.clock.now()))
    told = events(called, receiver.wait_for(3), sim.clock.now())
    assert len(told) == 3
    assert len({identity for identity, _ in told}) == 1


def test_an_event_that_is_not_acknowledged_is_repeated_and_then_given_up(
    sim: SimulatorServer, client: WechatClient, called: Account, receiver: Receiver
) -> None:
    receiver.answer = lambda _request: (200, b"thank you")
    Worker(sim, client).run(intended(content(), sim.clock.now()))
    wait_for(sim.simulation.webhooks.idle, "all calls are over")
    (delivery,) = sim.simulation.webhooks.sent("wechat")
    assert (delivery.attempts, delivery.delivered) == ([200, 200, 200], False)
    assert len({identity for identity, _ in events(called, receiver.got, sim.clock.now())}) == 1


def test_a_lost_event_costs_nothing_but_time(
    sim: SimulatorServer, client: WechatClient, called: Account, receiver: Receiver
) -> None:
    sim.set_fault("wechat", "*", "webhook_lost")
    assert Worker(sim, client).run(intended(content(), sim.clock.now())).state == "LIVE"
    assert sim.simulation.webhooks.idle()
    assert receiver.got == []


def test_a_refused_review_is_told_without_an_article(
    sim: SimulatorServer, client: WechatClient, called: Account, receiver: Receiver
) -> None:
    sim.set_fault("wechat", "freepublish/submit", "review_refused", count=1)
    record = Worker(sim, client).run(intended(content(), sim.clock.now()))
    ((_, ids),) = events(called, receiver.wait_for(1), sim.clock.now())
    assert ids == {"publish_id": record.steps[-1].result["publish_id"]}
