"""A master content, an account, a simulated Douyin over real HTTP, and a driver that does what the worker does."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from msgspec.structs import replace

from schemas.events.content import MasterContent, MediaRef, Target
from schemas.events.placement import DraftMedia, PlacementRecord
from services.adapter.accounts.credentials import FileCredentials, InMemory
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Timing
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.contract.publication import Publication, Step
from services.adapter.contract.shared import Shared, Unlimited
from services.adapter.placement import transitions as to
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter_douyin.client import DouyinClient
from services.adapter_douyin.localise import localise
from services.adapter_douyin.publish import DouyinPublication
from services.adapter_douyin.simulator import SIMULATOR
from services.simulator.http.server import SimulatorServer

OPEN_ID = "b9b71865-7fea-44cc-9123-000000000001"


@dataclass
class Library:
    """Media in memory."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, media_id: str, data: bytes, **more: Any) -> MediaRef:
        self.files[media_id] = data
        described: dict[str, Any] = {
            "role": "gallery",
            "uri": f"file:///{media_id}",
            "content_type": "image/jpeg",
            **more,
        }
        sha256 = hashlib.sha256(data).hexdigest()
        return MediaRef(media_id=media_id, sha256=sha256, size_bytes=len(data), **described)

    @contextmanager
    def open(self, media: DraftMedia | MediaRef) -> Iterator[BinaryIO]:
        yield io.BytesIO(self.files[media.media_id])

    def read(self, media: DraftMedia | MediaRef) -> bytes:
        return self.files[media.media_id]


@pytest.fixture
def library() -> Library:
    return Library()


@pytest.fixture
def account() -> Account:
    return Account(
        platform="douyin",
        account="qinghe-tea",
        brand_id="qinghe",
        way="server",
        app_id="awdemo0000000001",
        app_secret="demo-douyin-secret-1",
        open_id=OPEN_ID,
        access_token="act.demoQingheTea",
        refresh_token="rft.demoQingheTea",
        options={"followers": "12000"},
    )


@pytest.fixture
def content(library: Library) -> Callable[..., MasterContent]:
    """A picture set unless told otherwise."""

    def make(**changes: Any) -> MasterContent:
        said: dict[str, Any] = {
            "event_id": "c1:1",
            "occurred_at": datetime(2026, 3, 3, 2, tzinfo=UTC),
            "observed_at": datetime(2026, 3, 3, 2, tzinfo=UTC),
            "brand_id": "qinghe",
            "trace_id": "t1",
            "campaign_id": "spring",
            "content_id": "c1",
            "version": 1,
            "kind": "pictures",
            "title": "明前龙井上新",
            "key_message": "清明前手采",
            "summary": "清明前手采，一芽一叶。",
            "topics": ("春茶", "龙井"),
            "media": (library.add("p1", b"picture-1"), library.add("p2", b"picture-2")),
            "targets": (Target(platform="douyin", account="qinghe-tea"),),
        }
        return MasterContent(**{**said, **changes})

    return make


@pytest.fixture
def sim(account: Account) -> Iterator[SimulatorServer]:
    with SimulatorServer((account,), platforms=[SIMULATOR], speed=1) as server:
        yield server


@pytest.fixture
def client(sim: SimulatorServer, account: Account) -> Iterator[DouyinClient]:
    built = DouyinClient(_at(account, sim), 60.0)
    yield built
    built.close()


def _at(account: Account, sim: SimulatorServer) -> Account:
    return replace(account, base_url=f"{sim.url}/douyin")


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Driver:
    """Does with a placement what the worker does, one thing at a time; look and follow when told."""

    publication: Publication
    client: DouyinClient
    library: Library
    record: PlacementRecord
    clock: Clock
    claimed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        timing = Timing(look_after_s=1, look_every_s=1, looks=2, follow_every_s=1)
        self.decider = OutcomeRules(self.publication, timing, self.clock, "test")

    def step(self) -> str:
        """Record the call, make it, record what came of it. Returns the step's name."""
        step = self._next()
        self.record = to.calling(self.record, step, self.clock.now, self.clock.now + timedelta(seconds=25), "test")
        assert self.publication.next_step(self.record) == step, "in CALLING the step in doubt is the one being called"
        try:
            outcome = self.publication.perform(self.client, self.record, step, self.library)
        except PlatformError as error:
            self.record = self.decider.after_error(self.record, step, error)
        else:
            self.record = self.decider.after_step(self.record, step, outcome)
        return step.name

    def run(self, most: int = 40) -> list[str]:
        """Steps until there is none to take; a refused call ends it."""
        names: list[str] = []
        while self.record.state in ("INTENDED", "CALLING") and len(names) < most:
            names.append(self.step())
            if self.record.state == "INTENDED":
                break
        return names

    def look(self) -> str:
        look = self.publication.find(self.client, self.record, self.claimed)
        self.record = self.decider.after_look(self.record, self._next(), look)
        return type(look).__name__

    def follow(self) -> str:
        followed = self.publication.follow(self.client, self.record)
        self.record = self.decider.after_follow(self.record, followed)
        return type(followed).__name__

    def _next(self) -> Step:
        step = self.publication.next_step(self.record)
        assert step is not None
        return step


@pytest.fixture
def drive(client: DouyinClient, library: Library, account: Account) -> Callable[..., Driver]:
    def make(master: MasterContent, publication: DouyinPublication | None = None) -> Driver:
        clock = Clock()
        made = localise(master, master.targets[0], account)
        assert made.draft is not None, made.refusals
        record = to.intended(master, master.targets[0], made.draft, None, clock.now, "test")
        late_until = clock.now + timedelta(days=2)
        record = replace(record, late_until=late_until)
        return Driver(publication or DouyinPublication(), client, library, record, clock)

    return make


@pytest.fixture
def timed(sim: SimulatorServer, client: DouyinClient) -> Iterator[Callable[..., DouyinClient]]:
    """Builds clients that read the simulated clock."""
    built: list[DouyinClient] = []

    def make(credentials: Any = None, budget: Any = None, **changes: Any) -> DouyinClient:
        shared = Shared(credentials or InMemory(), budget or Unlimited())
        built.append(DouyinClient(replace(client.account, **changes), 60.0, shared, now=sim.clock.now))
        return built[-1]

    yield make
    for one in built:
        one.close()


@pytest.fixture
def files(sim: SimulatorServer, tmp_path: Path) -> Callable[[], FileCredentials]:
    """Builds the credential store of one more process on this machine."""
    return lambda: FileCredentials(tmp_path / "credentials", sim.clock.now)


@pytest.fixture
def post(sim: SimulatorServer, drive: Callable[..., Any], content: Callable[..., Any]) -> LivePost:
    """A live post with comments."""
    driver = drive(content())
    driver.run()
    sim.clock.advance(25)
    assert driver.follow() == "Live"
    sim.clock.advance(7200)
    record = driver.record
    return LivePost(
        record.placement_id, record.content_id, record.brand_id, record.campaign_id, record.account, record.kind,
        "", record.post,
    )  # fmt: skip
