from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from services.adapter.contract.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.wire.http import Answer, PlatformHttp
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.settings import TokenSettings
from services.adapter_wechat.wire_types import instant
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT


def calls(sim: SimulatorServer, endpoint: str) -> int:
    return sum(1 for call in sim.simulation.calls if call.endpoint == endpoint)


def test_many_threads_ask_for_one_token(sim: SimulatorServer, client: WechatClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.published(), range(24)))
    assert calls(sim, "stable_token") == 1
    assert calls(sim, "freepublish/batchget") == 24


def test_two_processes_share_the_stable_token_and_take_it_from_nobody(
    sim: SimulatorServer, connect: Callable[..., WechatClient]
) -> None:
    first, second = connect(), connect()
    first.published(), second.published(), first.published()
    assert len(sim.world("wechat").accounts[ACCOUNT.account].state["tokens"]) == 1


def test_a_dead_token_that_normal_mode_repeats_is_renewed_by_force_once(
    sim: SimulatorServer, client: WechatClient
) -> None:
    client.published()
    account = sim.world("wechat").accounts[ACCOUNT.account]
    (dead,) = account.state["tokens"].values()
    dead.void_at = sim.clock.now()
    client.published()
    assert len(account.state["tokens"]) == 2
    assert len(account.state["forced"]) == 1


def test_an_expired_token_is_replaced_without_force(sim: SimulatorServer, client: WechatClient) -> None:
    client.published()
    sim.clock.advance(7201)
    client.published()
    assert "forced" not in sim.world("wechat").accounts[ACCOUNT.account].state


def test_forced_renewals_are_bounded(sim: SimulatorServer, client: WechatClient) -> None:
    sim.set_fault("wechat", "freepublish/batchget", "token_expired")
    for _ in range(3):
        with pytest.raises(PlatformError) as caught:
            client.published()
        assert caught.value.error_class == "auth"
    assert len(sim.world("wechat").accounts[ACCOUNT.account].state["forced"]) == 1
    assert calls(sim, "freepublish/batchget") == 6


def test_a_refused_forced_renewal_falls_back_to_the_token_at_hand(
    sim: SimulatorServer, connect: Callable[..., WechatClient]
) -> None:
    client = connect(tokens=TokenSettings(force_every_s=0))
    for _ in range(2):  # the second one comes within the 30 s of the platform
        sim.set_fault("wechat", "freepublish/batchget", "token_expired", count=1)
        client.published()
    assert len(sim.world("wechat").accounts[ACCOUNT.account].state["forced"]) == 1


def test_an_empty_token_replaces_nothing(client: WechatClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.published()
    held = client._held
    monkeypatch.setattr(
        PlatformHttp, "call", lambda *_, **__: Answer(200, {"access_token": "", "expires_in": 7200}, b"")
    )
    with pytest.raises(NotSentError):
        client._token(held.access_token if held else None)
    assert client._held is held


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "http_500"])
def test_without_a_token_nothing_was_sent_so_a_submit_may_be_repeated(
    sim: SimulatorServer, client: WechatClient, fault: str
) -> None:
    sim.set_fault("wechat", "stable_token", fault, count=1)
    with pytest.raises(PlatformError) as caught:
        client.submit("draft-1")
    assert caught.value.sent == "no"
    assert calls(sim, "freepublish/submit") == 0


def test_a_wrong_secret_is_told_once_and_not_asked_again(
    sim: SimulatorServer, connect: Callable[..., WechatClient]
) -> None:
    with pytest.raises(PlatformError) as caught:
        connect(app_secret="wrong").submit("draft-1")
    assert (caught.value.error_class, caught.value.code, caught.value.outcome) == ("auth", "40125", "refused")
    assert calls(sim, "stable_token") == 1


def test_a_submit_is_one_attempt_and_a_read_is_repeated(sim: SimulatorServer, client: WechatClient) -> None:
    sim.set_fault("wechat", "freepublish/submit", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        client.submit("draft-1")
    assert calls(sim, "freepublish/submit") == 1
    sim.set_fault("wechat", "freepublish/batchget", "drop_after", count=2)
    assert client.published().total_count == 0
    assert calls(sim, "freepublish/batchget") == 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(200, {"media_id": "m", "item": []}, b""), None),
        (Answer(200, {"errcode": 0, "errmsg": "ok", "media_id": "m"}, b""), None),
        (Answer(200, {"errcode": "45003", "errmsg": "title"}, b""), "45003"),
        (Answer(200, {"errcode": -1, "errmsg": "busy"}, b""), "-1"),
        (Answer(413, None, b"<html>"), "413"),
    ],
)
def test_success_is_code_zero_or_no_code(
    client: WechatClient, monkeypatch: pytest.MonkeyPatch, answer: Answer, code: str | None
) -> None:
    client.published()
    monkeypatch.setattr(PlatformHttp, "call", lambda *_, **__: answer)
    if code is None:
        assert client.add_draft({"title": "x"}) == "m"
        return
    with pytest.raises(PlatformError) as caught:
        client.add_draft({"title": "x"})
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, None, b"<html>gateway</html>"),
        Answer(200, ["x"], b""),
        Answer(200, {}, b"{}"),
        Answer(502, {"message": "bad gateway"}, b""),
        Answer(200, {"errcode": 0, "publish_id": None}, b""),
    ],
)
def test_an_answer_of_no_known_shape_is_no_answer(
    client: WechatClient, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    client.published()
    monkeypatch.setattr(PlatformHttp, "call", lambda *_, **__: answer)
    with pytest.raises(PlatformError) as caught:
        client.submit("draft-1")
    assert (caught.value.sent, caught.value.outcome) == ("unknown", "unknown")


def test_stamps_are_read_as_number_and_as_text() -> None:
    assert instant(1772510000) == instant("1772510000") == datetime(2026, 3, 3, 3, 53, 20, tzinfo=UTC)
