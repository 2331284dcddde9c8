from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, BinaryIO

from msgspec.structs import replace

from schemas.events.content import MasterContent, MediaRef, MediaRole, Target
from schemas.events.placement import Draft, DraftMedia, PlacementRecord
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Refusal
from services.adapter.placement import transitions as to
from services.adapter_wechat import ADAPTER

NOW = datetime(2026, 3, 3, 2, 15, tzinfo=UTC)
JPEG = b"\xff\xd8\xff\xe0" + bytes(2000)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(3000)
BYTES = {"image/jpeg": JPEG, "image/png": PNG}
ACCOUNT = Account(
    platform="wechat",
    account="qinghe-tea",
    brand_id="qinghe",
    display_name="青禾茶事",
    way="publish",
    app_id="wx00000000demo0001",
    app_secret="demo-wechat-secret-1",
    open_id="gh_demo00000001",
    options={"level": "service_verified"},
)
OTHER = replace(ACCOUNT, account="qinghe-life", app_id="wx00000000demo0002", app_secret="demo-wechat-secret-2")
BODY = """## 一芽一叶

三月的山还有雾，我们在海拔八百米的茶园里，*只*采一芽一叶。

![晨雾里的茶园](media:garden)

> 好茶不赶时间。

更多见[青禾官网](https://www.qinghe.example/spring?from=a&to=b)。
"""


class Media:
    """A media source whose files are small pictures of the right kind."""

    def open(self, media: DraftMedia | MediaRef) -> AbstractContextManager[BinaryIO]:
        raise NotImplementedError("pictures are read whole")

    def read(self, media: DraftMedia | MediaRef) -> bytes:
        return BYTES[media.content_type]


def picture(media_id: str, role: MediaRole = "inline", **changes: Any) -> MediaRef:
    kind = changes.get("content_type", "image/jpeg")
    ref = MediaRef(
        media_id=media_id,
        role=role,
        uri=f"file:///media/{media_id}.jpg",
        sha256=hashlib.sha256(media_id.encode()).hexdigest(),
        content_type=kind,
        size_bytes=len(BYTES.get(kind, JPEG)),
        width=1280,
        height=720,
    )
    return replace(ref, **changes)


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
        kind="article",
        title="青禾春茶开园",
        key_message="一口喝到今年的春天",
        summary="头采明前茶三月二十日开采，一口喝到今年的春天。",
        body=BODY,
        author="青禾茶事",
        topics=("青禾春茶", "明前茶"),
        link="https://www.qinghe.example/spring",
        media=(picture("cover", "cover", content_type="image/png"), picture("garden")),
        targets=(Target(platform="wechat", account=ACCOUNT.account),),
    )
    return replace(master, **changes)


def gallery(count: int = 3, **changes: Any) -> MasterContent:
    pictures = tuple(picture(f"g-{n}", "gallery") for n in range(count))
    return content(**{"kind": "pictures", "media": pictures, "body": "春山、春水、春茶。"} | changes)


def draft_of(master: MasterContent, account: Account = ACCOUNT) -> Draft:
    outcome = ADAPTER.localise(master, Target(platform="wechat", account=account.account), account)
    assert outcome.draft is not None, outcome.refusals
    assert outcome.refusals == ()
    return outcome.draft


def refusals(master: MasterContent, account: Account = ACCOUNT) -> dict[str, Refusal]:
    """Refusals by code; asserts that there is no draft beside them, and that each says the way out."""
    outcome = ADAPTER.localise(master, Target(platform="wechat", account=account.account), account)
    assert outcome.draft is None
    assert outcome.refusals
    assert all(r.field and r.message and r.message_en and r.way_out for r in outcome.refusals)
    return {r.code: r for r in outcome.refusals}


def intended(master: MasterContent, now: datetime, slot: str = "main") -> PlacementRecord:
    """The placement as intake writes it."""
    target = replace(master.targets[0], slot=slot)
    return to.intended(replace(master, occurred_at=now), target, draft_of(master), None, now, "w-1")
