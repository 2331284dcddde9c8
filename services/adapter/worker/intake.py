"""Turns master content events into ledger records of one platform: new placements, newer versions, cancels. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from schemas.events.content import ContentCancelled, MasterContent, Target
from schemas.events.placement import Draft, Failure, PlacementRecord
from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.publication import Publication
from services.adapter.placement import transitions as to
from services.adapter.placement.outcome_rules import has_been_there, may_post
from services.adapter.worker.ledger import Ledger, LedgerEntry
from services.runtime.logging import get_logger

UNTOUCHED = frozenset({"INTENDED", "PARKED"})
IN_DOUBT = frozenset({"CALLING", "UNKNOWN", "NEEDS_HUMAN"})
LARGEST_DRAFT_BYTES = 250_000  # a record holds a draft, perhaps the next version's, and its history: see `worker`


log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Intake:
    adapter: Adapter
    accounts: Accounts
    ledger: Ledger
    now: Callable[[], datetime]
    worker: str

    def content(self, content: MasterContent) -> list[PlacementRecord]:
        """The records that this version brings about on our platform; none where it is old news."""
        mine = [target for target in content.targets if target.platform == self.adapter.platform]
        records = [record for target in mine for record in self._target(content, target)]
        return records + self._dropped(content, mine)

    def cancelled(self, cancel: ContentCancelled) -> list[PlacementRecord]:
        """Nothing of the content up to that version is called any more; what is on its way is marked."""
        entries = [e for e in self.ledger.of_content(cancel.content_id) if e.record.content_version <= cancel.version]
        return [r for e in entries for r in self._cancel(e, cancel.reason or "内容已取消")]

    def _target(self, content: MasterContent, target: Target) -> list[PlacementRecord]:
        key = content.placement_id(target)
        entry = self.ledger.entries.get(key)
        if entry is not None and entry.record.content_version >= content.version:
            return []  # delivered again
        fitted = self._localise(content, target)
        if entry is None:
            draft, failure = (None, fitted) if isinstance(fitted, Failure) else (fitted, None)
            return [to.intended(content, target, draft, failure, self.now(), self.worker)]
        return [self._newer(entry, content, target, fitted)]

    def _newer(
        self, entry: LedgerEntry, content: MasterContent, target: Target, fitted: Draft | Failure
    ) -> PlacementRecord:
        old, newer = entry.record, to.version_of(content, target, fitted)
        if not may_have_posted(old, self.adapter.publication):
            entry.superseded = entry.busy
            return to.superseded(old, newer, self.now(), self.worker)
        note = f"收到第 {content.version} 版：这条帖子已经发出或可能已发出，不会再发第二条"
        changes: dict[str, Any] = {"content_version": content.version}
        if old.state in IN_DOUBT:
            changes |= {"newer": newer, "cancel_requested": False}
        return to.noted(old, note, self.now(), self.worker, **changes)

    def _dropped(self, content: MasterContent, mine: list[Target]) -> list[PlacementRecord]:
        """Placements of an older version that the newer one no longer names."""
        named = {(target.account, target.slot) for target in mine}
        gone = [
            entry
            for entry in self.ledger.of_content(content.content_id)
            if (entry.record.account, entry.record.slot) not in named and entry.record.content_version < content.version
        ]
        return [r for entry in gone for r in self._cancel(entry, f"第 {content.version} 版不再包含这个发布位")]

    def _cancel(self, entry: LedgerEntry, reason: str) -> list[PlacementRecord]:
        record = entry.record
        if record.is_final:
            return []
        if not entry.busy and record.state in UNTOUCHED:
            return [to.cancelled(record, reason, self.now(), self.worker)]
        if record.cancel_requested:
            return []
        by_hand = record.state == "NEEDS_HUMAN"
        note = f"收到取消：{reason}；" + ("请不要再人工发布" if by_hand else "调用已开始，等待结果")
        return [to.noted(record, note, self.now(), self.worker, cancel_requested=True)]

    def _localise(self, content: MasterContent, target: Target) -> Draft | Failure:
        account = self.accounts.get(target.platform, target.account)
        if account is None or account.brand_id != content.brand_id:
            message = f"账号 {target.account} 没有为品牌 {content.brand_id} 声明 / account not declared for this brand"
            return Failure(error_class="auth", code="unknown_account", message=message, scope="account")
        try:
            localised = self.adapter.localise(content, target, account)
        except Exception as error:  # the other placements of the content are not to be lost with this one
            log.exception("localise_bug", content_id=content.content_id, account=target.account, slot=target.slot)
            return Failure(error_class="bug", message=f"本地化程序错误 {type(error).__name__} / a bug, see the log")
        if localised.draft is not None and not localised.refusals:
            return _within_limit(localised.draft)
        reasons = "；".join(f"{r.field}：{r.message}（{r.way_out}）" for r in localised.refusals)
        codes = ",".join(sorted({r.code for r in localised.refusals}))
        return Failure(error_class="content", code=codes or None, message=reasons or "无法生成草稿 / no draft")


def _within_limit(draft: Draft) -> Draft | Failure:
    size = len(msgspec.json.encode(draft))
    if size <= LARGEST_DRAFT_BYTES:
        return draft
    message = (
        f"本地化后的草稿有 {size} 字节，超过 {LARGEST_DRAFT_BYTES}；请缩短正文或拆成几篇"
        " / the draft is too large: shorten or split the body"
    )
    return Failure(error_class="content", code="draft_too_large", message=message)


def may_have_posted(record: PlacementRecord, publication: Publication) -> bool:
    """Whether the platform may have, or once had, a post of this placement."""
    if record.state in UNTOUCHED:
        return False
    if record.state == "CALLING":
        return may_post(record, publication.next_step(record))
    if record.state in ("REJECTED", "MISSED", "CANCELLED"):
        return has_been_there(record)
    return True
