"""The demo from the sample campaign to its settlement: publishes, watches, and in the end compares with the truth."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from zoneinfo import ZoneInfo

import msgspec

from schemas.placement import PlacementRecord
from services.cli.campaign_file import load
from services.cli.client import PublisherClient
from services.cli.publish import Published, send
from services.cli.running.pipeline import Pipeline
from services.cli.running.settlement import Settlement, TrueFigures, settle
from services.cli.running.watching import Watching
from services.runtime.kafka.admin import lag, list_groups
from services.runtime.kafka.errors import KafkaProblem

BEIJING = ZoneInfo("Asia/Shanghai")
FINAL_WITHIN_S = 110.0
LISTEN_S = 20.0
SETTLE_WITHIN_S = 45.0
LAG_EVERY_S = 3.0


@dataclass(slots=True)
class Demonstration:
    """One run of the sample campaign. `show` is called several times a second with what stage it is in."""

    pipeline: Pipeline
    watching: Watching
    stop: threading.Event
    show: Callable[[str], None]
    published: Published | None = None
    expected: tuple[str, ...] = ()
    lags: dict[str, int] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def publish(self, file: Path, suffix: str) -> None:
        """Through the publisher's HTTP API, as any client does."""
        campaign = load(file, suffix=suffix)
        with PublisherClient(self.pipeline.addresses["publisher"]) as client:
            self.published = send(client, campaign)
        self.expected = tuple(one.placement_id for answer in self.published.answers for one in answer.placements)

    def records(self) -> list[PlacementRecord]:
        """The campaign's placements as far as the ledger knows them."""
        return [found for placement in self.expected if (found := self.watching.records.get(placement)) is not None]

    def comments(self) -> Counter[str]:
        """Collected comments by platform."""
        assert self.published is not None
        return Counter(post.partition(":")[0] for post, _ in self.watching.comments_of(self.published.campaign_id))

    def run(self, *, once: bool) -> Settlement | None:
        """Watch until stopped; with `once` until the campaign has settled, and then the comparison."""
        threading.Thread(target=self._follow_lag, name="lag", daemon=True).start()
        if not once:
            while not self._pause("运行中，Ctrl-C 结束 / running, Ctrl-C ends it"):
                pass
            return None
        self._until("正在发布 / publishing", self._all_final, FINAL_WITHIN_S)
        self._until("正在收集反馈 / collecting feedback", lambda: False, LISTEN_S)
        self._end_of_story()
        self._until("等待汇总追平 / settling", lambda: self.compare().ok, SETTLE_WITHIN_S)
        return self.compare()

    def compare(self) -> Settlement:
        """What the topics say now against what the simulator knows now."""
        assert self.published is not None
        truth = msgspec.convert(self._simulator("/_sim/truth"), list[TrueFigures])
        return settle(
            seconds=time.monotonic() - self._began,
            expected=self.expected,
            records=dict(self.watching.records),
            truth=truth,
            comments=self.watching.comments_of(self.published.campaign_id),
            rows=dict(self.watching.rows),
        )

    def _all_final(self) -> bool:
        records = self.records()
        return len(records) == len(self.expected) and all(record.is_final for record in records)

    def _end_of_story(self) -> None:
        """Nobody reacts any more, and it becomes the morning on which every platform has counted the day."""
        self._simulator("/_sim/audience", {"stop": True})
        now = datetime.fromisoformat(self._simulator("/_sim/clock")["now"]).astimezone(BEIJING)
        morning = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
        self._simulator("/_sim/clock", {"advance_s": (morning - now).total_seconds()})

    def _until(self, stage: str, reached: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not reached() and time.monotonic() < deadline:
            if self._pause(stage):
                raise KeyboardInterrupt
        self.show(stage)

    def _pause(self, stage: str) -> bool:
        """A moment of waiting, in which the children are looked after; True when it is time to stop."""
        self.pipeline.supervisor.watch()
        self.show(f"{stage}   {time.monotonic() - self._began:.0f} s   {datetime.now(UTC):%H:%M:%S} UTC")
        return self.stop.wait(0.4)

    def _follow_lag(self) -> None:
        while not self.stop.is_set():
            try:
                groups = [group for group in list_groups(self.pipeline.kafka) if group.startswith("tongbo")]
                self.lags = {group: sum(lag(self.pipeline.kafka, group).values()) for group in groups}
            except KafkaProblem:
                pass  # shown as it was; the next round asks again
            self.stop.wait(LAG_EVERY_S)

    def _simulator(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.pipeline.addresses["simulator"] + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own address
        with urlopen(request, timeout=30) as response:  # noqa: S310
            return json.load(response)
