"""A platform made for the publisher's tests: short texts, no adapter folder needed."""

from __future__ import annotations

from typing import Any

from schemas.events.content import MasterContent, Target
from schemas.events.placement import Draft, DraftMedia
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Adapter, Name, Timing
from services.adapter.contract.content import Limits, Localised, Refusal
from services.adapter.contract.errors import ErrorTable
from services.adapter.contract.registry import UnknownPlatformError

LIMIT = 60


def localise(master: MasterContent, target: Target, account: Account) -> Localised:
    """Title and key message in at most LIMIT characters; refuses what is longer and what has no link."""
    if "💥" in master.title:
        raise RuntimeError("a defect of the rules")
    human = master.variant_for(target.platform, target.account)
    text = (human.text if human else None) or f"{master.title}：{master.key_message} {master.link or ''}".strip()
    refusals = []
    if len(text) > LIMIT:
        refusals.append(Refusal("text_too_long", "title", f"共 {len(text)} 字", f"{len(text)} characters", "请缩短"))
    if master.link is None:
        refusals.append(Refusal("link_needed", "link", "缺少链接", "a link is needed", "请填写 link"))
    if refusals:
        return Localised(None, tuple(refusals))
    media = tuple(
        DraftMedia(
            media_id=one.media_id, use="pic", uri=one.uri, sha256=one.sha256, content_type=one.content_type,
            size_bytes=one.size_bytes,
        )
        for one in master.media
    )  # fmt: skip
    draft = Draft(
        platform=target.platform, account=target.account, form="status", text=text, media=media, fingerprint="f",
        rules_version="toy-1", rules_applied=("join",), length_used=len(text), length_limit=LIMIT,
    )  # fmt: skip
    return Localised(draft)


class _Nothing:
    """Stands where the publisher must never look: any use of it fails the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the publisher used {name}")


def toy(platform: str) -> Adapter:
    nothing: Any = _Nothing()
    return Adapter(
        platform=platform, name=Name("玩具", "Toy"), ways=("open",), limits=Limits({}, (), (), {}),
        errors=ErrorTable(platform, {}), timing=Timing(1, 1, 2, 1), localise=localise, publication=nothing,
        feedback=nothing, client=nothing,
    )  # fmt: skip


def registry(platform: str) -> Adapter:
    if platform not in ("toy", "other"):
        raise UnknownPlatformError(f"没有平台“{platform}”的适配器，现有：toy、other / no adapter for this platform")
    return toy(platform)
