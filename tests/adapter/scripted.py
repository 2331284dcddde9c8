"""A platform in memory whose answers a test writes down beforehand, and a loop that drives the worker without Kafka."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO, cast

import msgspec

from schemas.events.commands import OperatorCommand, PlacementCommand
from schemas.events.content import ContentCancelled, MasterContent, MediaRef, Schedule, Target
from schemas.events.feedback import Metric, Reading, Readings
from schemas.events.placement import Draft, DraftMedia, PlacementRecord, PostRef
from services.adapter.commands.feed import COMMAND_TOPIC
from services.adapter.commands.freshness import AlwaysFresh, Freshness
from services.adapter.commands.view import CommandView
from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter, Name, Timing
from services.adapter.contract.content import Limits, Localised, Refusal
from services.adapter.contract.errors import ErrorTable
from services.adapter.contract.feedback import CommentPage, LivePost
from services.adapter.contract.publication import Followed, Live, Look, NotFound, Pending, Step, StepOutcome
from services.adapter.worker.call_pool import CallPool
from services.adapter.worker.callback_hints import CallbackHints
from services.adapter.worker.caller import Caller
from services.adapter.worker.recorder import LEDGER_TOPIC
from services.adapter.worker.stage import AdapterStage, WorkerIdentity
from services.runtime.clock import ManualClock
from services.runtime.consume import Due, Emit, ToDeadLetter
from services.runtime.kafka.records import Outgoing, Record
from tests.waiting import wait_for

START = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
ACCOUNT = Account(platform="echo", account="tea", brand_id="qinghe", way="open")
PATIENCE_S = 60.0  # with threads, on a machine that is busy
BROKEN_SLOT = "broken"  # localising for it is a bug
UPLOAD, SUBMIT = Step("upload", "orphan", "上传"), Step("submit", "post", "提交")


@dataclass
class Platform:
    """What the platform will answer; what has been asked of it. An answer that is an exception is raised."""

    steps: tuple[Step, ...] = (SUBMIT,)
    answers: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    looks: list[Any] = field(default_factory=list)
    follows: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None

    def next_step(self, record: PlacementRecord) -> Step | None:
        done = {step.name for step in record.steps}
        return next((step for step in self.steps if step.name not in done), None)

    def perform(self, client: Any, record: PlacementRecord, step: Step, media: Any) -> StepOutcome:
        self.calls.append(step.name)
        self.before_answer()
        scripted = self.answers[step.name]
        return _said(scripted.pop(0) if scripted else live(f"{len(self.calls)}"))  # type: ignore[no-any-return]

    def find(self, client: Any, record: PlacementRecord, claimed: Container[str]) -> Look:
        self.calls.append("find")
        return _said(self.looks.pop(0) if self.looks else NotFound())  # type: ignore[no-any-return]

    def follow(self, client: Any, record: PlacementRecord) -> Followed:
        self.calls.append("follow")
        return _said(self.follows.pop(0) if self.follows else Pending("审核"))  # type: ignore[no-any-return]


def _said(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer


def live(native_id: str) -> Live:
    return Live(PostRef(native_id=native_id, url=f"https://echo.example/{native_id}", published_at=START))


class Silent:
    """A feedback source with nothing to say."""

    def native_metrics(self) -> Mapping[Metric, str]:
        return {"likes": "hearts"}

    def comment_pages(
        self, client: Any, post: LivePost, position: Mapping[str, Any], known: Callable[[str], bool], now: datetime
    ) -> Iterator[CommentPage]:
        return iter(())

    def metrics(self, client: Any, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        return {}

    def followers(self, client: Any, now: datetime) -> Reading:
        return Reading(reason="unsupported")


class NoMedia:
    @contextmanager
    def open(self, media: DraftMedia | MediaRef) -> Iterator[BinaryIO]:
        yield BytesIO()

    def read(self, media: DraftMedia | MediaRef) -> bytes:
        return b""


def localise(content: MasterContent, target: Target, account: Account) -> Localised:
    if target.slot == BROKEN_SLOT:
        raise KeyError("缺少字段")
    if "禁" in content.title:
        return Localised(None, (Refusal("banned_word", "title", "标题含禁用词", "banned word", "请修改标题"),))
    draft = Draft(
        platform="echo", account=target.account, form="status", text=content.title, fingerprint=content.title,
        rules_version="1",
    )  # fmt: skip
    return Localised(draft)


@dataclass
class Retracting:
    """Takes posts down, after the answers written down beforehand."""

    answers: list[Exception] = field(default_factory=list)
    tried: int = 0
    taken_down: list[str] = field(default_factory=list)

    def retract(self, client: Any, record: PlacementRecord) -> None:
        self.tried += 1
        if self.answers:
            raise self.answers.pop(0)
        assert record.post is not None
        self.taken_down.append(record.post.native_id)


@dataclass
class Replying:
    """Answers comments; `answers` and `finds` are written down beforehand, an exception is raised."""

    answers: list[Any] = field(default_factory=list)
    finds: list[Any] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    looked: int = 0

    def reply(self, client: Any, post: LivePost, comment_id: str, text: str) -> str:
        self.said.append(f"{comment_id}:{text}")
        return str(_said(self.answers.pop(0) if self.answers else f"r{len(self.said)}"))

    def find_reply(self, client: Any, post: LivePost, comment_id: str, text: str, since: datetime) -> str | None:
        self.looked += 1
        return _said(self.finds.pop(0)) if self.finds else None

    def most_characters(self) -> int:
        return 20


def scripted_adapter(platform: Platform, **more: Any) -> Adapter:
    return Adapter(
        **more,
        platform="echo",
        name=Name("回声", "Echo"),
        ways=("open",),
        limits=Limits(text={}, media=(), rates=(), kinds={"notice": "status"}),
        errors=ErrorTable("echo", {}),
        timing=Timing(look_after_s=60, look_every_s=30, looks=2, follow_every_s=5, call_timeout_s=20),
        localise=localise,
        publication=platform,
        feedback=Silent(),
        client=lambda account, timeout_s, shared=None: object(),
    )


def content(version: int = 1, title: str = "新茶上市", due_in_s: float = 0, late_s: int = 3600) -> MasterContent:
    due = START + timedelta(seconds=due_in_s)
    return MasterContent(
        event_id=f"c1:{version}", occurred_at=START, observed_at=START, brand_id="qinghe", campaign_id="spring",
        trace_id="t", content_id="c1", version=version, kind="notice", title=title, key_message="新茶",
        targets=(
            Target(
                platform="echo", account="tea", late_within_s=late_s,
                schedule=Schedule(due_at=due, wall_clock="2026-11-11T10:00"),
            ),
        ),
    )  # fmt: skip


def cancel(version: int = 1) -> ContentCancelled:
    return ContentCancelled(
        event_id=f"c1:cancel:{version}", occurred_at=START, observed_at=START, brand_id="qinghe",
        campaign_id="spring", trace_id="t", content_id="c1", version=version, reason="价格有误", actor="li",
    )  # fmt: skip


class Loop:
    """The consume loop's part, without Kafka: what is written here is committed, in order, before callbacks run."""

    def __init__(
        self,
        platform: Platform,
        *,
        freshness: Freshness | None = None,
        clock: ManualClock | None = None,
        announcements: tuple[Outgoing, ...] = (),
        **more: Any,
    ) -> None:
        """more: what the platform offers besides, such as `retraction`."""
        self.platform, self.freshness, self.more = platform, freshness or AlwaysFresh(), more
        self.clock = clock or ManualClock(START)
        self.topic: list[Outgoing] = []
        self.commands = CommandView()
        self.announcements = announcements
        self._offset = 0
        self.news = CallbackHints("echo")
        self.refused: list[ToDeadLetter] = []
        self.stage = self._stage()

    def _stage(self) -> AdapterStage:
        adapter, accounts = scripted_adapter(self.platform, **self.more), Accounts((ACCOUNT,))
        caller = Caller(
            adapter, accounts, calls=CallPool(32), timing=adapter.timing, media=NoMedia(), commands=self.commands,
            freshness=self.freshness, clock=self.clock,
        )  # fmt: skip
        stage = AdapterStage(
            adapter, accounts, caller, WorkerIdentity("w", announcements=self.announcements), clock=self.clock,
            read_ledger=self._read, hints=self.news,
        )  # fmt: skip
        stage.assigned([0])
        return stage

    def _read(self, partition: int) -> Iterator[Record]:
        for offset, one in enumerate(one for one in self.topic if one.topic == LEDGER_TOPIC):
            yield Record(one.topic, one.partition, offset, one.key, one.value, (), START)

    def crash(self) -> None:
        """The process dies: everything in memory is gone, calls under way are nobody's; another one takes over."""
        self.stage = self._stage()

    def take(self, event: msgspec.Struct) -> None:
        outcome = self.stage.handle(Record("master-content", 0, 0, b"c1", msgspec.json.encode(event), (), START))
        if isinstance(outcome, Emit):
            self.topic.extend(outcome.records)
        if isinstance(outcome, ToDeadLetter):
            self.refused.append(outcome)

    def command(self, command: OperatorCommand | PlacementCommand) -> None:
        """An operator's command, as every adapter reads it."""
        self.commands.apply(cast(OperatorCommand, command), self._offset)
        self._offset += 1

    def commit(self, due: Due, *, call: bool = True) -> None:
        self.topic.extend(due.records)
        for one in due.records:
            if one.topic == COMMAND_TOPIC:
                self.command(msgspec.json.decode(one.value or b"", type=OperatorCommand))
        for callback in due.after_commit if call else ():
            callback()

    def turn(self, *, call: bool = True) -> None:
        """One round of the loop, and the calls it started come back."""
        self.commit(self.stage.tick(), call=call)
        self.settle()

    def begin(self) -> None:
        """One round of the loop; its calls are at the platform, so that words which come now are too late for them."""
        due = self.stage.tick()
        under_way, asked = self.stage.calls.under_way, len(self.platform.calls)
        self.commit(due)
        started = self.stage.calls.under_way - under_way
        wait_for(lambda: len(self.platform.calls) >= asked + started, "the calls are at the platform")

    def settle(self) -> None:
        calls = self.stage.calls
        wait_for(lambda: calls._results.qsize() >= calls.under_way, "the calls come back")

    def run(self, rounds: int = 6) -> PlacementRecord:
        for _ in range(rounds):
            self.turn()
        return self.record

    @property
    def record(self) -> PlacementRecord:
        newest = next(one for one in reversed(self.topic) if one.topic == LEDGER_TOPIC)
        return msgspec.json.decode(newest.value or b"", type=PlacementRecord)

    @property
    def records(self) -> list[PlacementRecord]:
        written = [one for one in self.topic if one.topic == LEDGER_TOPIC]
        return [msgspec.json.decode(one.value or b"", type=PlacementRecord) for one in written]
