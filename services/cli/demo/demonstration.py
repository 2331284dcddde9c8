"""The demo from the sample campaign to its settlement: publishes, watches, and in the end compares with the truth."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import msgspec
from msgspec.structs import replace

from schemas.events.placement import PlacementRecord
from schemas.moments import BEIJING
from services.cli.campaign.file import load
from services.cli.commands.operate.publish import Published, send
from services.cli.demo.settlement import Settlement, TrueFigures, settle
from services.cli.demo.topic_watch import Watching
from services.cli.local.pipeline import NotReadyError, Pipeline, StoppedError
from services.cli.publisher.client import PublisherClient
from services.runtime.kafka.admin import lag, list_groups
from services.runtime.kafka.errors import KafkaProblem

FINAL_BY_S = 120.0
LISTEN_S = 20.0
SETTLED_BY_S = 170.0  # all in all it has three minutes
# Longer than a service or the broker takes to come back, also on a machine with much to do.
STILL_S = 60.0
LAG_EVERY_S = 3.0
SIMULATOR_BACK_WITHIN_S = 20.0
GROUPS = ("tongbo-", "engagement-aggregator")


@dataclass(slots=True)
class Demonstration:
    """One run of the sample campaign. `show` is called several times a second with what stage it is in.

    began: when the clock of its three minutes started, monotonic.
    """

    pipeline: Pipeline
    watching: Watching
    stop: threading.Event
    show: Callable[[str], None] = lambda _: None
    began: float = field(default_factory=time.monotonic)
    published: Published | None = None
    expected: tuple[str, ...] = ()
    lags: dict[str, int] = field(default_factory=dict)

    def publish(self, file: Path, suffix: str) -> None:
        """Through the publisher's HTTP API, as any client does; raises what `send` raises, or StoppedError."""
        campaign = load(file, suffix=suffix)
        done: Future[Published] = Future()

        def publish() -> None:
            try:
                with PublisherClient(self.pipeline.addresses["publisher"], self.pipeline.token) as client:
                    done.set_result(send(client, campaign))
            except Exception as problem:
                done.set_exception(problem)  # raised again by result(), in the thread that waits

        threading.Thread(target=publish, name="publish", daemon=True).start()
        while not done.done():
            self._pause("正在提交活动 / submitting the campaign")
        self.published = done.result()
        self.expected = tuple(one.placement_id for answer in self.published.answers for one in answer.placements)

    def records(self) -> list[PlacementRecord]:
        """The campaign's placements as far as the ledger knows them."""
        return [found for placement in self.expected if (found := self.watching.records.get(placement)) is not None]

    def comments(self) -> Counter[str]:
        """Collected comments by platform."""
        if self.published is None:
            return Counter()
        return Counter(post.partition(":")[0] for post, _ in self.watching.comments_of(self.published.campaign_id))

    def run(self, *, once: bool) -> Settlement:
        """Until the campaign has settled, then the comparison; without `once` for ever. Raises StoppedError."""
        threading.Thread(target=self._follow_lag, name="lag", daemon=True).start()
        while not once:
            self._pause("运行中，Ctrl-C 结束 / running, Ctrl-C ends it")
        self._until("正在发布 / publishing", self._all_final, FINAL_BY_S)
        self._until("正在收集反馈 / collecting feedback", lambda: False, self.seconds() + LISTEN_S)
        self._end_of_story()
        self._until("等待汇总追平 / settling", self._settled(), SETTLED_BY_S)
        return self.compare()

    def seconds(self) -> float:
        return time.monotonic() - self.began

    def compare(self) -> Settlement:
        """What the topics say now against what the simulator knows now."""
        assert self.published is not None
        truth = msgspec.convert(self._simulator("/_sim/truth"), list[TrueFigures])
        return settle(
            seconds=self.seconds(),
            expected=self.expected,
            records=dict(self.watching.records),
            truth=truth,
            comments=self.watching.comments_of(self.published.campaign_id),
            rows=dict(self.watching.rows),
        )

    def _all_final(self) -> bool:
        records = self.records()
        return len(records) == len(self.expected) and all(record.is_final for record in records)

    def _settled(self) -> Callable[[], bool]:
        """Whether all is equal, or nothing has moved for so long that waiting will not make it so."""
        last, moved_at = "", time.monotonic()

        def settled() -> bool:
            nonlocal last, moved_at
            found = self.compare()
            now = repr(replace(found, seconds=0.0))
            if now != last:
                last, moved_at = now, time.monotonic()
            return found.ok or time.monotonic() - moved_at > STILL_S

        return settled

    def _end_of_story(self) -> None:
        """Nobody reacts any more, and it becomes the morning on which every platform has counted the day."""
        self._simulator("/_sim/audience", {"stop": True})
        now = datetime.fromisoformat(self._simulator("/_sim/clock")["now"]).astimezone(BEIJING)
        morning = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
        self._simulator("/_sim/clock", {"advance_s": (morning - now).total_seconds()})

    def _until(self, stage: str, reached: Callable[[], bool], by_s: float) -> None:
        while not reached() and self.seconds() < by_s:
            self._pause(stage)

    def _pause(self, stage: str) -> None:
        """A moment of waiting, in which the children are looked after; raises StoppedError when it is time to stop."""
        self.pipeline.supervisor.watch()
        self.show(f"{stage}   {self.seconds():.0f} s")
        if self.stop.wait(0.4):
            raise StoppedError

    def _follow_lag(self) -> None:
        while not self.stop.is_set():
            try:
                groups = [group for group in list_groups(self.pipeline.kafka) if group.startswith(GROUPS)]
                self.lags = {group: sum(lag(self.pipeline.kafka, group).values()) for group in groups}
            except KafkaProblem:
                pass  # shown as it was; the next round asks again
            self.stop.wait(LAG_EVERY_S)

    def _simulator(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Asks until it answers: it may just be starting again, and then its answers speak for themselves."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.pipeline.addresses["simulator"] + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own address
        deadline = time.monotonic() + SIMULATOR_BACK_WITHIN_S
        while True:
            try:
                with urlopen(request, timeout=30) as response:  # noqa: S310
                    return json.load(response)
            except (URLError, OSError) as problem:
                if time.monotonic() > deadline:
                    raise NotReadyError(f"模拟器没有应答 / the simulator does not answer：{problem}") from problem
                self._pause("等待模拟器 / waiting for the simulator")
