"""The platforms' calls against real processes: lost, tripled, between two deaths by kill -9; each comment once."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from schemas.codec import decoder
from schemas.events.alert import Alert
from schemas.events.content import MediaRef
from schemas.events.feedback import CommentObserved
from schemas.events.placement import PlacementRecord
from services.adapter.contract.accounts import load_accounts
from services.runtime.kafka.reader import Tail, read_topic
from services.simulator.http.server import SimulatorServer
from services.simulator.http.webhooks import RetryRule, callback_address
from tests.pipeline.stack import ACCOUNTS, Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
TALKATIVE = ("douyin", "qinghe-tea")  # a platform that calls for each comment
MORE_ACCOUNTS = """
  - {platform: wechat, account: qinghe-plain, brand_id: qinghe, way: publish, app_id: wx0plain,
     app_secret: plain-secret, open_id: gh_plain, options: {level: service_verified, callback_token: plainToken}}
  - {platform: douyin, account: qinghe-h5, brand_id: qinghe, way: h5, app_id: awh5, app_secret: h5-secret,
     open_id: h5-open-id, access_token: act.h5, refresh_token: rft.h5}
"""
RARELY = "3000"  # times the cadence table: a post is polled when it is taken up, and then not for a day and an hour
DAYS = 3 * 86_400.0
SPEED, HARDLY = 200.0, 1.0  # at which that day takes 450 seconds, more than the slowest of these tests


@dataclass
class Called:
    """A stack whose platform calls back the collector; comments: everything on the feedback topic so far."""

    stack: Stack
    port: int
    accounts: Path
    comments: Counter[str] = field(default_factory=Counter)
    speed: float = 20.0

    def __post_init__(self) -> None:
        self._tail = Tail(self.stack.kafka, ["feedback-unified"])
        self.stack.simulator.simulation.webhooks.rule = RetryRule(tries=2_000, timeout_s=5.0, pause_s=0.3)
        for platform in ("weibo", "wechat", "douyin"):
            for name, account in self.stack.simulator.world(platform).accounts.items():
                account.options["callback_url"] = callback_address(f"http://127.0.0.1:{self.port}", platform, name)

    @property
    def env(self) -> dict[str, str]:
        return {"TONGBO_ACCOUNTS": str(self.accounts), "TONGBO_CLOCK": f"{self.stack.simulator.url}/_sim/clock"}

    def close(self) -> None:
        self._tail.close()

    def media(self, name: str) -> list[MediaRef]:
        pictures = (self.stack.picture(f"{name}{n}", "gallery") for n in range(2))
        return [self.stack.picture(f"{name}-cover", "cover"), *pictures]

    def act(self, platform: str, account: str, act: str, **details: str) -> dict[str, str]:
        """What a person does on the platform itself."""
        said = {"platform": platform, "account": account, "act": act, "with": details}
        answer = httpx.post(f"{self.stack.simulator.url}/_sim/acts", json=said)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def collector(self, scale: str, **env: str) -> None:
        """A new one. Hardly any time passes until it listens: the audience must not have gone by then."""
        settings = self.env | {"TONGBO_CALLBACK_PORT": str(self.port), "TONGBO_POLL_SCALE": scale}
        before = self._listened()
        self.stack.simulator.clock.set_speed(HARDLY)
        process = self.stack.start("feedback_collector", env=settings | {"TONGBO_SESSION_TIMEOUT_S": "2"} | env)
        self.stack.wait("it listens", lambda: self._listened() > before or process.poll() is not None)
        self.stack.simulator.clock.set_speed(self.speed)

    def _listened(self) -> int:
        """How many collectors have listened so far."""
        log = self.stack.log_of("feedback_collector-0")
        return log.read_text().count("callbacks_listening") if log.exists() else 0

    def collected(self) -> Counter[str]:
        """How often each comment of the talkative platform was told."""
        decode = decoder("feedback-unified")
        while records := self._tail.poll(0.05):
            events = [decode(record.value or b"") for record in records]
            comments = [event for event in events if isinstance(event, CommentObserved)]
            self.comments.update(one.comment_id for one in comments if one.platform == TALKATIVE[0])
        return self.comments

    def told(self, fault: str | None = None) -> set[str]:
        """Comments of which the platform called, or was to call."""
        sent = self.stack.simulator.simulation.webhooks.sent(TALKATIVE[0])
        bodies = [one.request.body for one in sent if one.request.name == "item_comment_reply" and one.fault == fault]
        contents = [json.loads(body)["content"] for body in bodies]
        return {(json.loads(one) if isinstance(one, str) else one)["comment_id"] for one in contents}

    def true(self) -> set[str]:
        world = self.stack.simulator.world(TALKATIVE[0])
        with self.stack.simulator.simulation.instant():
            return {comment.native_id for post in world.posts for comment in world.comments(post)}

    def wait_for(self, comments: int) -> None:
        before = len(self.collected())
        self.stack.wait(f"{comments} more comments", lambda: len(self.collected()) >= before + comments)

    def quiet(self) -> None:
        self.stack.wait("all calls are over", self.stack.simulator.simulation.webhooks.idle)


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Called]:
    folder = tmp_path_factory.mktemp("called")
    accounts = folder / "accounts.yaml"
    accounts.write_text(ACCOUNTS.read_text() + MORE_ACCOUNTS)
    stack = Stack(folder)
    stack.simulator = SimulatorServer(load_accounts(accounts, {}), speed=20.0)
    with stack, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        stack.start_kafka()
        called = Called(stack, port, accounts)
        stack.start("adapter_douyin", env=called.env)
        stack.start("adapter_wechat", env=called.env | {"TONGBO_FOLLOW_EVERY_S": "3600"})
        stack.start("adapter_weibo", env=called.env)
        called.collector(RARELY)
        yield called
        called.close()


def test_the_end_of_a_publication_is_asked_for_when_the_platform_calls(called: Called) -> None:
    """The adapter itself would ask in an hour. One account takes encrypted calls, the other plain ones."""
    stack = called.stack
    targets = [("wechat", "qinghe-tea"), ("wechat", "qinghe-plain")]
    stack.publish(content("w1", targets, kind="pictures", media=called.media("w1"), campaign_id="called"))
    records = stack.wait("both live", lambda: stack.all_final(2))
    assert {record.state for record in records.values()} == {"LIVE"}
    assert all("PUBLISHJOBFINISH" in one.request.name for one in stack.simulator.simulation.webhooks.sent("wechat"))


def test_what_a_person_publishes_in_the_app_goes_live_when_the_platform_calls(called: Called) -> None:
    stack = called.stack
    media = [replace(one, uri=f"https://cdn.qinghe.example/{one.media_id}.jpg") for one in called.media("h5")]
    stack.publish(content("h5", [("douyin", "qinghe-h5")], kind="pictures", media=media, campaign_id="by-hand"))

    def state(wanted: str) -> PlacementRecord | None:
        found = [record for record in stack.ledger().values() if record.account == "qinghe-h5"]
        return next((record for record in found if record.state == wanted), None)

    waiting = stack.wait("a person is asked", lambda: state("NEEDS_HUMAN"))
    link = (waiting.result_of("share_link") or {})["link"]
    made = called.act("douyin", "qinghe-h5", "publish_share", link=link)
    live = stack.wait("it is live", lambda: state("LIVE"))
    assert live.post is not None
    assert live.post.native_id == made["item_id"]


def test_comments_by_callback_are_each_told_once_through_kills_repetitions_and_losses(called: Called) -> None:
    stack, simulator = called.stack, called.stack.simulator
    media = called.media("talk")
    stack.publish(*(content(f"c{n}", [TALKATIVE], kind="pictures", media=media) for n in range(2)))
    stack.wait("posts live", lambda: sum(one.content_id in ("c0", "c1") and one.state == "LIVE"
                                         for one in stack.ledger().values()) == 2)  # fmt: skip
    called.speed = SPEED
    simulator.clock.set_speed(SPEED)
    called.wait_for(5)

    simulator.set_fault(TALKATIVE[0], "item_comment_reply", "webhook_thrice", count=5)
    stack.wait("five are said three times", lambda: len(called.told("webhook_thrice")) == 5)
    stack.wait("and collected", lambda: called.told("webhook_thrice") <= set(called.collected()))

    for point in ("callback:arrived", "callback:written"):
        stack.kill("feedback_collector")
        called.collector(RARELY, TONGBO_KILL_AT=point)
        stack.wait_dead("feedback_collector")
        called.collector(RARELY)
        called.wait_for(3)
    stack.kill("feedback_collector")  # after some were acknowledged and not yet taken up, perhaps
    called.collector(RARELY)
    simulator.set_fault(TALKATIVE[0], "item_comment_reply", "webhook_lost", count=3)
    stack.wait("some are lost", lambda: len(called.told("webhook_lost")) >= 3)
    simulator.simulation.mount(TALKATIVE[0]).world.stop_audience()
    called.quiet()
    lost = called.told("webhook_lost")
    stack.wait("all but the lost ones", lambda: called.true() - lost <= set(called.collected()))
    assert lost - set(called.collected()), "the polls were at work: nothing was shown about the callbacks"

    stack.kill("feedback_collector")
    called.collector("0.02")
    simulator.clock.advance(DAYS)
    stack.wait("the poll finds what was lost", lambda: set(called.collected()) == called.true())
    assert {comment: n for comment, n in called.collected().items() if n > 1} == {}
    authors = {comment.author for post in simulator.world(TALKATIVE[0]).posts
               for comment in simulator.world(TALKATIVE[0]).comments(post)}  # fmt: skip
    log = b"\n".join(record.value or b"" for record in read_topic(stack.kafka, "platform-callback"))
    assert len(authors) > 3
    assert not any(author.encode() in log for author in authors)


def test_a_withdrawn_permission_is_an_alert_whether_it_can_be_proven_or_is_asked_about(called: Called) -> None:
    """One platform signs what it says; the other's word is only a reason to ask, and the answer is believed."""
    stack = called.stack
    called.act("douyin", "qinghe-h5", "unauthorize")
    called.act("weibo", "qinghe-life", "cancel_authorisation")

    def withdrawn() -> set[str]:
        alerts = [
            decoder("engagement-alert")(record.value or b"") for record in read_topic(stack.kafka, "engagement-alert")
        ]
        return {one.alert_key for one in alerts if isinstance(one, Alert) and one.kind == "authorisation_withdrawn"}

    expected = {"authorisation_withdrawn:douyin/qinghe-h5", "authorisation_withdrawn:weibo/qinghe-life"}
    stack.wait("both are told", lambda: withdrawn() == expected)
