from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.events.content import MasterContent, MediaRef, MediaRole, Target
from schemas.events.placement import PlacementRecord, StepRecord
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised, Refusal
from services.adapter.contract.publication import Done, Live
from services.adapter_weibo import ADAPTER
from services.adapter_weibo.client import WeiboClient

NOW = datetime(2026, 3, 3, 2, 15, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(2000)
OPEN = Account(
    platform="weibo",
    account="qinghe-life",
    brand_id="qinghe",
    display_name="青禾生活馆",
    way="open",
    app_id="3100000002",
    app_secret="secret-2",
    open_id="1900000002",
    access_token="2.00open",
    options={"safe_domain": "qinghe.example"},
)
COMMERCIAL = Account(
    platform="weibo",
    account="qinghe-tea",
    brand_id="qinghe",
    display_name="青禾茶事",
    way="commercial",
    app_id="3100000001",
    app_secret="secret-1",
    open_id="1900000001",
    access_token="2.00commercial",
    refresh_token="refresh-1",
)
ACCOUNTS = {"open": OPEN, "commercial": COMMERCIAL}


class Media:
    """A media source whose every file is the same small JPEG."""

    def open(self, media: object) -> Any:
        raise NotImplementedError

    def read(self, media: object) -> bytes:
        return JPEG


def picture(number: int, role: MediaRole = "gallery", **changes: Any) -> MediaRef:
    return msgspec.structs.replace(
        MediaRef(
            media_id=f"pic-{number}",
            role=role,
            uri=f"file:///media/pic-{number}.jpg",
            sha256=f"{number:064x}",
            content_type="image/jpeg",
            size_bytes=len(JPEG),
        ),
        **changes,
    )


def content(**changes: Any) -> MasterContent:
    master = MasterContent(
        event_id="content:c-1:1",
        occurred_at=NOW,
        observed_at=NOW,
        brand_id="qinghe",
        trace_id="t-1",
        campaign_id="spring",
        content_id="c-1",
        version=1,
        kind="notice",
        title="青禾春茶开园",
        key_message="一口喝到今年的春天",
        summary="头采明前茶三月二十日开采。限量两千罐，当日炒制。",
        body="",
        topics=("青禾春茶", "明前茶"),
        link="https://www.qinghe.example/spring",
        targets=(Target(platform="weibo", account="qinghe-tea"),),
    )
    return msgspec.structs.replace(master, **changes)


def localised(master: MasterContent, account: Account) -> Localised:
    return ADAPTER.localise(master, Target(platform="weibo", account=account.account), account)


def refusals(master: MasterContent, account: Account) -> dict[str, Refusal]:
    """Refusals by code; asserts that there is no draft beside them, and that each says the way out."""
    outcome = localised(master, account)
    assert outcome.draft is None
    assert all(r.field and r.message and r.message_en and r.way_out for r in outcome.refusals)
    return {r.code: r for r in outcome.refusals}


def record(master: MasterContent, account: Account, called_at: datetime, **changes: Any) -> PlacementRecord:
    draft = localised(master, account).draft
    assert draft is not None
    fresh = PlacementRecord(
        event_id="pl-1:1",
        occurred_at=NOW,
        observed_at=NOW,
        brand_id="qinghe",
        trace_id="t-1",
        campaign_id="spring",
        placement_id="pl-1",
        content_id="c-1",
        content_version=1,
        kind=master.kind,
        platform="weibo",
        account=account.account,
        slot="main",
        state="CALLING",
        since=NOW,
        due_at=NOW,
        late_until=NOW + timedelta(hours=1),
        draft=draft,
        first_called_at=called_at,
    )
    return msgspec.structs.replace(fresh, **changes)


def carry_on(client: WeiboClient, placement: PlacementRecord) -> tuple[PlacementRecord, Live]:
    """Do step after step as the worker would, until the post is live."""
    while (step := ADAPTER.publication.next_step(placement)) is not None:
        outcome = ADAPTER.publication.perform(client, placement, step, Media())
        if isinstance(outcome, Live):
            return placement, outcome
        assert isinstance(outcome, Done)
        done = StepRecord(name=step.name, effect=step.effect, finished_at=NOW, result=outcome.result)
        placement = msgspec.structs.replace(placement, steps=(*placement.steps, done))
    raise AssertionError("no step made a post")
