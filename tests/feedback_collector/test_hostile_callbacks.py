"""The real process on the real broker under calls that nobody sane would send: no 5xx, nothing lost or made up."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decoder
from schemas.topics import load_topics
from services.adapter.contract.accounts import load_accounts
from services.adapter.contract.callbacks import CallbackRefusedError, CallbackRequest
from services.adapter.contract.registry import adapters
from services.cli.local.pipeline import dead_letter_services
from services.feedback_collector.callbacks.listener import BODY_WITHIN_S, MOST_BYTES
from services.runtime.kafka.admin import ensure_topics
from services.runtime.kafka.reader import read_topic
from services.runtime.settings import KafkaSettings
from tests.feedback_collector.calls import KINDS, Collector, Kind, Request, by_header, collector, plainly, safely
from tests.waiting import wait_for

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(200)]
EXAMPLES = 500
ANSWERS = {200, 400, 403, 404, 405, 408, 413}

ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
XML_ATTACKS = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY a0 "ha">{ENTITIES}]><xml>&a8;</xml>'.encode(),
    "external file": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><MsgType>&f;</MsgType></xml>',
    "external address": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><xml><MsgType>event</MsgType></xml>',
    "parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/hostname">%p;]><xml/>',
    "deep": b"<a>" * 20_000 + b"</a>" * 20_000,
    "wide": b"<xml>" + b"<a/>" * 15_000 + b"</xml>",
    "attributes": b"<xml " + b" ".join(b'a%d="1"' % n for n in range(6_000)) + b"/>",
    "utf-16": '<?xml version="1.0" encoding="utf-16"?><xml><MsgType>event</MsgType></xml>'.encode("utf-16"),
    "utf-7": b'<?xml version="1.0" encoding="utf-7"?><xml><MsgType>event</MsgType></xml>',
    "gbk": '<?xml version="1.0" encoding="gbk"?><xml><MsgType>事件</MsgType></xml>'.encode("gbk"),
    "not utf-8": b"<xml><MsgType>\xff\xfe\xc0\x80</MsgType></xml>",
    "nul": b"<xml><MsgType>ev\x00ent</MsgType></xml>",
    "unknown entity": b"<xml><MsgType>&nbsp;</MsgType></xml>",
    "open cdata": b"<xml><MsgType><![CDATA[event</MsgType></xml>",
    "two roots": b"<xml/><xml/>",
    "nothing": b"",
    "too much": b"<xml>" + b"a" * 70_000 + b"</xml>",
}
HARMLESS = {"utf-7", "utf-16"}  # readable all the same: an event without consequence
JSON_ATTACKS = {
    "deep": b"[" * 100_000,
    "deep object": b'{"event":' * 5_000,
    "surrogate": b'{"event":"item_comment_reply","client_key":"aw1","content":"{\\"content\\":\\"\\ud800\\"}"}',
    "huge number": b'{"event":"verify_webhook","client_key":"aw1","content":{"challenge":' + b"9" * 5_000 + b"}}",
    "nan": b'{"event":"verify_webhook","client_key":"aw1","content":{"challenge":NaN}}',
    "utf-16": '{"event":"x"}'.encode("utf-16"),
    "bom": b'\xef\xbb\xbf{"event":"x","client_key":"aw1"}',
    "list": b'["event"]',
    "far future": b'{"event":"item_comment_reply","client_key":"aw1","to_user_id":"me","content":{"comment_id":"c",'
    b'"comment_user_id":"u","create_time":99999999999999999,"reply_to_item_id":"i"}}',
    "no ids": b'{"event":"item_comment_reply","client_key":"aw1","to_user_id":"me","content":{}}',
    "too much": b'{"event":"' + b"x" * MOST_BYTES + b'"}',
}
RAW_ATTACKS = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "length is a word": b"POST /callbacks/wechat/plain HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "length below nothing": b"POST /callbacks/wechat/plain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length too small": b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{} and more",
    "length enormous": b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nContent-Length: "
    + b"9" * 18
    + b"\r\n\r\n{}",
    "broken chunk": b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "endless header": b"GET /callbacks/weibo/tea HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
    "many headers": b"GET /callbacks/weibo/tea HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 3_000 + b"\r\n",
    "no host": b"GET /callbacks/weibo/tea HTTP/1.1\r\n\r\n",
    "path climbs": b"GET /callbacks/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "path is no utf-8": b"GET /callbacks/weibo/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
    "path is long": b"GET /callbacks/weibo/" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "strange method": b"BREW /callbacks/weibo/tea HTTP/1.1\r\nHost: x\r\n\r\n",
    "many parameters": b"GET /callbacks/weibo/tea?" + b"a=b&" * 500 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "query is no utf-8": b"GET /callbacks/wechat/plain?signature=%ff&timestamp=%00&nonce=%ed%a0%80"
    b" HTTP/1.1\r\nHost: x\r\n\r\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def kafka(kafka_settings: KafkaSettings) -> KafkaSettings:
    ensure_topics(kafka_settings, load_topics(dead_letter_services()))
    return kafka_settings


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, kafka: KafkaSettings) -> Iterator[Collector]:
    with (
        collector(tmp_path_factory.mktemp("hostile"), kafka) as running,
        httpx.Client(base_url=running.url, timeout=30) as http,
    ):
        wait_for(
            lambda: http.get("/callbacks/weibo/tea").status_code != 503, "it has read the calls it has had already"
        )
        yield running


@pytest.fixture(autouse=True)
def healthy_afterwards(process: Collector) -> Iterator[None]:
    yield
    assert process.process.poll() is None
    assert process.defects() == []
    with httpx.Client(base_url=process.url, timeout=30) as http:
        assert {kind.name: send(http, kind.sign(kind.whole())) for kind in KINDS} == {kind.name: 200 for kind in KINDS}


def send(http: httpx.Client, request: Request) -> int:
    answer = http.request(
        request.method, request.path, content=request.body, params=dict(request.query or {}),
        headers=dict(request.headers or {}),
    )  # fmt: skip
    assert answer.status_code in ANSWERS, (answer.status_code, request)
    return answer.status_code


def identity_of(process: Collector, request: Request) -> str | None:
    """Under which identity this call has to be on the topic; None where it is refused or asks for nothing."""
    _, _, platform, account = request.path.split("/")
    declared = load_accounts(process.log.parent / "accounts.yaml", {}).get(platform, account)
    receiver = adapters()[platform].callbacks
    assert declared is not None
    assert receiver is not None
    headers = {name.lower(): value for name, value in (request.headers or {}).items()}
    asked = CallbackRequest(request.method, dict(request.query or {}), headers, request.body)
    try:
        received = receiver.receive(declared, asked, datetime.now(UTC))
    except CallbackRefusedError:
        return None
    return received.identity if received.events else None


Damage = tuple[int, int, bytes]
FRAGMENTS = (
    b"<", b"</xml>", b"<![CDATA[", b"]]>", b"&lt;", b"&#0;", b"&#x110000;", b"<!DOCTYPE x>", b"\x00", b"\xff", b'"',
    b"\xed\xa0\x80", b"\\", b"{", b"}", b"[", b"null", b"true", b"-1", b"1e400", b"99999999999999999999", b"%00", b"&",
    "好🍵".encode(),
)  # fmt: skip
DAMAGES = st.lists(
    st.tuples(st.integers(0, 2_000), st.integers(0, 12), st.binary(max_size=8) | st.sampled_from(FRAGMENTS)), max_size=2
)


def broken(body: bytes, damages: list[Damage]) -> bytes:
    """Some bytes replaced, cut out or put in; now and then none."""
    for place, cut, put in damages:
        at = place % (len(body) + 1)
        body = body[:at] + put + body[at + cut :]
    return body


def test_mutated_calls_are_taken_or_refused_and_what_is_taken_is_on_the_log_once(
    process: Collector, kafka: KafkaSettings
) -> None:
    answers = Counter[tuple[str, bool, int]]()
    expected = Counter[str]()
    with httpx.Client(base_url=process.url, timeout=30) as http:

        @settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(st.sampled_from(KINDS), DAMAGES, st.booleans(), st.integers(0, 9_999))
        def call(kind: Kind, damages: list[Damage], signed_anew: bool, number: int) -> None:
            whole = kind.whole()
            body = broken(whole, damages if number % 4 else [])
            request = kind.sign(body)
            if not signed_anew and body != whole:
                signed = kind.sign(whole)
                request = Request(signed.path, body, query=signed.query, headers=signed.headers)
            status = send(http, request)
            answers[kind.name, signed_anew, status] += 1
            identity = identity_of(process, request) if status == 200 else None
            if identity:
                expected[identity] += 1

        call()
    print("answers (kind, signed anew, status):", *sorted(answers.items()), sep="\n  ")
    written = Counter(
        decoder("platform-callback")(record.value or b"").identity for record in read_topic(kafka, "platform-callback")
    )
    assert {one: written[one] for one in expected if written[one] != 1} == {}
    assert len(expected) > EXAMPLES / 14
    for kind in KINDS:
        assert sum(n for (name, _, status), n in answers.items() if name == kind.name and status == 200) >= 3, kind.name
    assert sum(n for (_, _, status), n in answers.items() if status in (400, 403)) > EXAMPLES / 4


@pytest.mark.parametrize("sign", [plainly, safely], ids=["plain", "aes"])
def test_xml_attacks_behind_a_right_signature_are_refused(process: Collector, sign: object) -> None:
    assert callable(sign)
    with httpx.Client(base_url=process.url, timeout=30) as http:
        answered = {name: send(http, sign(body)) for name, body in XML_ATTACKS.items()}
    assert {name for name, status in answered.items() if status == 200} <= HARMLESS, answered


def test_json_attacks_behind_a_right_signature_are_refused(process: Collector) -> None:
    with httpx.Client(base_url=process.url, timeout=30) as http:
        answered = {name: send(http, by_header(body)) for name, body in JSON_ATTACKS.items()}
    assert set(answered.values()) <= {200, 400, 403, 413}, answered
    assert [name for name, status in answered.items() if status == 200] == []


def test_what_is_no_proper_request_is_refused_or_cut_off(process: Collector) -> None:
    answered = {name: raw(process, said) for name, said in RAW_ATTACKS.items()}
    assert all(status is None or 200 <= status < 500 for status in answered.values()), answered
    assert sum(status is not None for status in answered.values()) > len(RAW_ATTACKS) / 2, answered
    taken = {name for name, status in answered.items() if status == 200}
    assert taken == set(), answered


def test_a_body_that_never_ends_is_cut_off_and_keeps_nobody_waiting(process: Collector) -> None:
    request = b"POST /callbacks/douyin/tea HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    with httpx.Client(base_url=process.url, timeout=BODY_WITHIN_S - 0.5) as http:  # so long the slow ones are heard
        slow = [socket.create_connection(("127.0.0.1", process.port), timeout=60) for _ in range(60)]
        for one in slow:
            one.sendall(request)
        assert send(http, KINDS[0].sign(KINDS[0].whole())) == 200, "others had to wait"
    assert {status_of(one.recv(200)) for one in slow} == {408}
    for one in slow:
        one.close()


def raw(process: Collector, said: bytes) -> int | None:
    """The status of the answer; None where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", process.port), timeout=30) as connection:
        try:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            return status_of(connection.recv(200))
        except ConnectionError:
            return None
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # cut off between our last byte and our shutdown
                raise
            return None


def status_of(answer: bytes) -> int | None:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else None
