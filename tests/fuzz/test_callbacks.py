"""Damaged calls to the callback addresses of all platforms: refused or taken, never a defect, never a name told."""

from __future__ import annotations

import string
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decoder
from services.adapter.contract.accounts import Accounts, load_accounts
from services.adapter.contract.callbacks import CallbackAnswer, CallbackRequest
from services.adapter.contract.registry import adapters
from services.feedback_collector.callbacks.desk import Address, CallbackHandler
from services.feedback_collector.callbacks.memory import Memory
from services.feedback_collector.callbacks.verdicts import Verdicts
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.runtime.clock import SystemClock
from services.runtime.kafka.records import Outgoing
from tests.feedback_collector.calls import ACCOUNTS, KINDS, Kind, Request
from tests.fuzz.cases import DAMAGES, damaged, in_time, many_cases

PLATFORMS = sorted({kind.sign(b"").path.split("/")[2] for kind in KINDS})
TAKEN = {200}
REFUSED = {400, 403, 404, 405, 413}
decode = decoder("platform-callback")


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    file = tmp_path_factory.mktemp("accounts") / "accounts.yaml"
    file.write_text(ACCOUNTS)
    return load_accounts(file, {})


@pytest.fixture
def written() -> list[Outgoing]:
    return []


@pytest.fixture
def handler(accounts: Accounts, written: list[Outgoing]) -> CallbackHandler:
    verdicts = Verdicts(adapters(), accounts, Pseudonyms(b"0123456789abcdef"))
    return CallbackHandler(verdicts, Memory(10_000), written.extend, SystemClock())


def answer(handler: CallbackHandler, request: Request, account: str | None = None) -> CallbackAnswer:
    _, _, platform, named = request.path.split("/")
    headers = {name.lower(): text for name, text in (request.headers or {}).items()}
    asked = CallbackRequest(request.method, dict(request.query or {}), headers, request.body)
    with in_time(request):
        return handler.answer(Address(platform, account or named), asked)


def test_what_is_whole_is_taken(handler: CallbackHandler) -> None:
    assert {kind.name: answer(handler, kind.sign(kind.whole())).status for kind in KINDS} == {
        kind.name: 200 for kind in KINDS
    }


@many_cases()
@given(st.sampled_from(KINDS), DAMAGES, st.booleans())
def test_a_damaged_call_is_taken_or_refused_and_what_is_written_can_be_read(
    handler: CallbackHandler,
    written: list[Outgoing],
    kind: Kind,
    damages: list[tuple[int, int, int, bytes]],
    anew: bool,
) -> None:
    written.clear()
    whole = kind.whole()
    body = damaged(whole, damages)
    signed = kind.sign(body if anew else whole)
    said = answer(handler, signed if anew else Request(signed.path, body, "POST", signed.query, signed.headers))
    assert said.status in TAKEN | REFUSED, said
    assert len(said.body) < 10_000
    for record in written:
        assert decode(record.value or b"").observed_at.year >= datetime.now(UTC).year


UNPROVEN = "weibo revocation"  # Weibo does not sign it: whoever knows an account's app key is believed to be Weibo
TEXTS = st.text(max_size=40) | st.sampled_from(
    ["\x00", "\ud800", "９" * 30, "-1", "1e9", "9" * 400, "%00", "a" * 5_000]
)
NAMES = ("signature", "timestamp", "nonce", "echostr", "msg_signature", "encrypt_type", "source", "uid", "auth_end",
         "verification", "x")  # fmt: skip


@many_cases()
@given(
    st.sampled_from(PLATFORMS),
    st.sampled_from(["GET", "POST", "PUT", "BREW"]),
    st.dictionaries(st.sampled_from(NAMES), TEXTS),
    st.dictionaries(st.sampled_from(["x-douyin-signature", "msg-id", "content-type"]), TEXTS),
    st.binary(max_size=200) | st.sampled_from([kind.whole() for kind in KINDS if kind.name != UNPROVEN]),
    st.text(string.ascii_lowercase, min_size=6, max_size=20),
)
def test_a_stranger_is_refused_in_the_same_words_whether_the_account_is_ours_or_not(
    handler: CallbackHandler, accounts: Accounts, platform: str, method: str, query: dict[str, str],
    headers: dict[str, str], body: bytes, name: str,
) -> None:  # fmt: skip
    request = Request(f"/callbacks/{platform}/{name}", body, method, query, headers)
    strange = answer(handler, request)
    ours = [answer(handler, request, one.account) for one in accounts.of(platform)]
    assert strange.status in REFUSED
    assert strange in ours


def test_the_accounts_of_these_tests_are_all_there_are() -> None:
    assert {one["platform"] for one in yaml.safe_load(ACCOUNTS)["accounts"]} == set(PLATFORMS)
