"""A platform that answers as told, and a bench that runs the collector's stage on a log in memory instead of Kafka."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from schemas.codec import decoder, encode
from schemas.events.feedback import CommentObserved, FollowersObserved, Metric, MetricsObserved, Reading, Readings
from schemas.events.placement import PlacementRecord, PostRef
from schemas.internal.callback import ArrivedComment, PlatformCallback
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import Comment, CommentPage, LivePost
from services.feedback_collector.posts.callback_comments import CallbackComments
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.feedback_collector.stage import CollectorStage, PollPace
from services.runtime.clock import ManualClock
from services.runtime.consume import Due, Outcome
from services.runtime.kafka.records import Outgoing, Record
from tests.waiting import wait_for

START = datetime(2026, 3, 21, 2, 0, tzinfo=UTC)
PATIENCE_S = 60.0  # with threads, on a machine that is busy
NATIVE: Mapping[Metric, str] = {"likes": "attitudes", "comments": "replies"}


def refusal(scope: Literal["app", "account", "post"] = "post", retry_after_s: float | None = None) -> PlatformError:
    """The platform's answer to a read that it will not serve."""
    return PlatformError(
        "拒绝", error_class="quota", sent="yes", scope=scope, retry_after_s=retry_after_s, code="10023"
    )


@dataclass
class Post:
    """A post as the platform has it. counted: what the platform says, None = the true number. hidden: never shown."""

    comments: list[Comment] = field(default_factory=list)
    likes: int = 0
    counted: int | None = None
    hidden: int = 0
    error: Exception | None = None

    def write(self, *ids: str, at: datetime = START, author: str = "u1", text: str = "好喝🍵") -> None:
        self.comments += [Comment(one, author, text, at) for one in ids]


class Platform:
    """The contract's FeedbackSource. Newest comment first; a walk ends at the first page that is known altogether."""

    def __init__(self, page_size: int = 3) -> None:
        self.posts: dict[str, Post] = defaultdict(Post)
        self.page_size = page_size
        self.calls: list[tuple[str, Any]] = []
        self.metrics_error: Exception | None = None
        self.followers_error: Exception | None = None
        self.followers_count = 1000
        self.before_page: Callable[[str, int], None] = lambda native_id, number: None
        self.gate = threading.Event()
        self.gate.set()

    def asked(self, kind: str) -> list[Any]:
        return [what for one, what in self.calls if one == kind]

    def native_metrics(self) -> Mapping[Metric, str]:
        return NATIVE

    def comment_pages(
        self, client: Any, post: LivePost, position: Mapping[str, Any], known: Callable[[str], bool], now: datetime
    ) -> Iterator[CommentPage]:
        native_id = post.post.native_id
        at, number, more = int(position.get("below", -1)), 0, True
        while more:
            number += 1
            self.calls.append(("page", native_id))
            assert self.gate.wait(PATIENCE_S)
            self.before_page(native_id, number)
            one = self.posts[native_id]
            if one.error:
                raise one.error
            shown = one.comments[: at if at >= 0 else None]
            page = shown[::-1][: self.page_size]
            at = len(shown) - len(page)
            more = at > 0 and not all(known(comment.comment_id) for comment in page)
            total = one.counted if one.counted is not None else len(one.comments) + one.hidden
            yield CommentPage(tuple(page), {"below": at} if more else {}, more, total)

    def metrics(self, client: Any, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        ids = [post.post.native_id for post in posts]
        self.calls.append(("metrics", tuple(ids)))
        if self.metrics_error:
            raise self.metrics_error
        return {one: self._readings(self.posts[one]) for one in ids}

    def _readings(self, post: Post) -> Readings:
        return Readings(
            likes=Reading(value=post.likes, native="attitudes"),
            comments=Reading(value=len(post.comments), native="replies"),
        )

    def followers(self, client: Any, now: datetime) -> Reading:
        self.calls.append(("followers", client))
        if self.followers_error:
            raise self.followers_error
        return Reading(value=self.followers_count, native="fans")


@dataclass
class _Adapter:
    """As much of an adapter as a collector uses."""

    feedback: Platform


def live(native_id: str, *, campaign: str = "spring", state: Any = "LIVE", account: str = "tea") -> PlacementRecord:
    return PlacementRecord(
        event_id=f"pl-{native_id}:{state}",
        occurred_at=START,
        observed_at=START,
        brand_id="qinghe",
        campaign_id=campaign,
        trace_id="t1",
        placement_id=f"pl-{native_id}",
        content_id="c1",
        content_version=1,
        kind="notice",
        platform="toy",
        account=account,
        slot="main",
        state=state,
        since=START,
        due_at=START,
        late_until=START + timedelta(hours=1),
        post=PostRef(native_id=native_id, published_at=START),
    )


class Bench:
    """The log of all partitions, and one collector process on it that can be crashed and started again."""

    def __init__(self, platform: Platform | None = None, *, least_s: float = 0.0) -> None:
        self.platform = platform or Platform()
        self.clock = ManualClock(START)
        self.machine = 0.0
        self.least_s = least_s
        self.log: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.client_error: PlatformError | None = None
        self.arrivals = CallbackComments()
        self.stage = self._stage()

    def _stage(self) -> CollectorStage:
        return CollectorStage(
            cast(Mapping[str, Adapter], {"toy": _Adapter(self.platform)}),
            self._client,
            lambda topic, partition: list(self.log[topic, partition]),
            Pseudonyms(b"0123456789abcdef"),
            self.clock,
            PollPace(1.0, self.least_s),
            lambda: self.machine,
            arrivals=self.arrivals,
        )

    def _client(self, platform: str, account: str) -> str:
        if self.client_error:
            raise self.client_error
        return account

    def call_back(self, native_id: str, *comment_ids: str, brand_id: str = "qinghe") -> None:
        """Comments come by callbacks, as the receiver wrote them."""
        for one in comment_ids:
            comment = ArrivedComment(native_id=native_id, comment_id=one, author="a1", text="好", written_at=START)
            callback = PlatformCallback(
                event_id=f"toy:{one}#1", occurred_at=START, observed_at=START, brand_id=brand_id, trace_id=one,
                platform="toy", account="tea", identity=f"toy:{one}", comment=comment,
            )  # fmt: skip
            self.arrivals.put(callback, START)

    # --- the log ---

    def append(self, record: Outgoing) -> Record:
        partition = self.log[record.topic, record.partition]
        stored = Record(
            record.topic, record.partition, len(partition), record.key, record.value, record.headers, self.clock.now()
        )
        partition.append(stored)
        return stored

    def ledger(self, record: PlacementRecord, partition: int = 0) -> Outcome:
        """A record comes to stand on the ledger and is consumed."""
        return self.stage.handle(self.on_ledger(record, partition))

    def on_ledger(self, record: PlacementRecord, partition: int = 0) -> Record:
        return self.append(Outgoing("placement-ledger", encode(record), record.placement_id.encode(), partition))

    def commit(self, due: Due) -> None:
        for record in due.records:
            self.append(record)
        for callback in due.after_commit:
            callback()

    # --- the process ---

    def restart(self, partitions: Sequence[int] = (0,)) -> None:
        """Crash, and a new process."""
        self.stage = self._stage()
        self.stage.assigned(partitions)

    def round(self) -> None:
        """All that is due now is polled and committed."""
        self.commit(self.stage.tick())
        self.until_idle(lambda: self.commit(self.stage.tick()))

    def uncommitted_round(self) -> list[Outgoing]:
        """The same, but the process dies before the transaction is committed."""
        records = list(self.stage.tick().records)
        self.until_idle(lambda: records.extend(self.stage.tick().records))
        return records

    def begin(self) -> None:
        """All that is due now is asked for; the first page is at the gate, so that what comes now comes after it."""
        pages = len(self.platform.asked("page"))
        self.commit(self.stage.tick())
        wait_for(lambda: len(self.platform.asked("page")) > pages, "the poll is at its first page")

    def until_idle(self, turn: Callable[[], None]) -> None:
        def idle() -> bool:
            if self.stage.in_flight():
                turn()
            return not self.stage.in_flight()

        wait_for(idle, "the polls come back")

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.round()

    # --- what came of it ---

    def events(self, partition: int = 0) -> list[Any]:
        return [decoder("feedback-unified")(one.value or b"") for one in self.log["feedback-unified", partition]]

    def comments(self, partition: int = 0) -> list[str]:
        return [event.comment_id for event in self.events(partition) if isinstance(event, CommentObserved)]

    def snapshots(self, partition: int = 0) -> list[MetricsObserved]:
        return [event for event in self.events(partition) if isinstance(event, MetricsObserved)]

    def followers(self, partition: int = 0) -> list[FollowersObserved]:
        return [event for event in self.events(partition) if isinstance(event, FollowersObserved)]
