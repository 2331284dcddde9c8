"""Which placements are past their time without a final state, by the contents accepted and by the ledger. Pure.

A placement that no adapter ever took in is known from its content, so it is seen as well.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.alert import Severity
from schemas.events.content import ContentCancelled, MasterContent, Target
from schemas.events.placement import FINAL_STATES, PlacementRecord, State
from schemas.words import Words, state_words
from services.watchdog.trouble import Trouble

KIND = "placement_overdue"
NOT_TAKEN_IN = "not_taken_in"
_NOT_TAKEN_IN = Words("适配器尚未接手", "no adapter has taken it in")
# state → (way out, severity while it may still be sent)
_WAYS_OUT: dict[str, tuple[Words, Severity]] = {
    NOT_TAKEN_IN: (
        Words(
            "检查该平台的适配器是否在运行、死信里有没有这份内容（tongbo dlq）",
            "check that the adapter runs, and look for the content in `tongbo dlq`",
        ), "warning",
    ),
    "INTENDED": (
        Words(
            "检查该平台的适配器与它的日志；tongbo explain 说明在等什么",
            "check the adapter and its log; `tongbo explain` says what it waits for",
        ), "warning",
    ),
    "CALLING": (
        Words(
            "等待调用结束；适配器已停止时，重启后会自动核对",
            "wait for the call; where the adapter is down, it looks for the post after its restart",
        ), "warning",
    ),
    "ACCEPTED": (
        Words(
            "等待平台审核；很久没有结果请到平台后台查看",
            "wait for the platform's review; look into its own console if that takes long",
        ), "info",
    ),
    "PARKED": (Words("确认后放行或取消", "release or cancel it"), "info"),
    "UNKNOWN": (Words("等待核对；请不要人工重发", "wait for the search; do not post it by hand"), "warning"),
    "NEEDS_HUMAN": (Words("按 tongbo explain 的说明处理", "do what `tongbo explain` says"), "critical"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Awaited:
    """A placement that shall come to an end. state: of the ledger, or NOT_TAKEN_IN."""

    placement_id: str
    brand_id: str
    campaign_id: str
    content_id: str
    version: int
    platform: str
    account: str
    trace_id: str
    due_at: datetime
    late_until: datetime
    state: str


class Awaiting:
    """All placements without a final state. Fed with both topics, in whatever order they come in between themselves."""

    def __init__(self, overdue_after: timedelta) -> None:
        self._overdue_after = overdue_after
        self._expected: dict[str, Awaited] = {}  # by what was accepted, until the ledger knows that version
        self._open: dict[str, Awaited] = {}  # by the ledger, while not final
        self._version: dict[str, int] = {}  # that the ledger knows
        self._of_content: dict[str, set[str]] = defaultdict(set)
        self._cancelled: dict[str, int] = {}

    def accepted(self, content: MasterContent) -> None:
        if self._cancelled.get(content.content_id, 0) >= content.version:
            return
        named = {one.placement_id: one for one in (_expected(content, target) for target in content.targets)}
        for old in self._of_content.get(content.content_id, set()) - named.keys():
            self._no_longer(old, content.version)
        for key, one in named.items():
            if one.version > self._version.get(key, 0):
                self._expected[key] = one
                self._of_content[content.content_id].add(key)

    def cancelled(self, cancel: ContentCancelled) -> None:
        """What no adapter has taken in is not expected any more; of the rest the ledger will tell the end."""
        newest = max(cancel.version, self._cancelled.get(cancel.content_id, 0))
        self._cancelled[cancel.content_id] = newest
        for key in list(self._of_content.get(cancel.content_id, ())):
            self._no_longer(key, newest + 1)

    def recorded(self, record: PlacementRecord) -> None:
        key = record.placement_id
        self._version[key] = max(record.content_version, self._version.get(key, 0))
        expected = self._expected.get(key)
        if expected is not None and expected.version <= record.content_version:
            self._drop(key)
        if record.state in FINAL_STATES:
            self._open.pop(key, None)
        else:
            self._open[key] = _recorded(record)

    def overdue(self, now: datetime) -> list[Awaited]:
        """Those past their time, longest first. What the ledger says of a placement goes before what is expected."""
        awaited = {**self._expected, **self._open}
        late = [one for one in awaited.values() if one.due_at + self._overdue_after <= now]
        return sorted(late, key=lambda one: (one.due_at, one.placement_id))

    def _no_longer(self, key: str, version: int) -> None:
        expected = self._expected.get(key)
        if expected is not None and expected.version < version:
            self._drop(key)

    def _drop(self, key: str) -> None:
        gone = self._expected.pop(key)
        self._of_content[gone.content_id].discard(key)
        if not self._of_content[gone.content_id]:
            del self._of_content[gone.content_id]


def trouble(one: Awaited, now: datetime) -> Trouble:
    says = _NOT_TAKEN_IN if one.state == NOT_TAKEN_IN else state_words(one.state).says
    way_out, severity = _WAYS_OUT[one.state]
    too_late = now > one.late_until
    if too_late and severity == "warning":
        severity = "critical"
    end = "，已过最晚时间" if too_late else ""
    end_en = ", past its late window" if too_late else ""
    where = f"{one.platform}/{one.account}"
    return Trouble(
        kind=KIND,
        about=one.placement_id,
        severity=severity,
        since=one.due_at,
        title=f"{where} 的发布 {one.content_id} 逾期未决：{says.zh}{end}",
        title_en=f"placement {one.content_id} on {where} is overdue: {says.en}{end_en}",
        way_out=way_out.zh,
        way_out_en=way_out.en,
        brand_id=one.brand_id,
        trace_id=one.trace_id,
        campaign_id=one.campaign_id,
        platform=one.platform,
        account=one.account,
        placement_id=one.placement_id,
        metric="overdue_s",
        value=round((now - one.due_at).total_seconds(), 1),
        evidence=(one.placement_id,),
    )


def _expected(content: MasterContent, target: Target) -> Awaited:
    due_at = content.due_at(target)
    identity = content.placement_id(target)
    return Awaited(
        identity, content.brand_id, content.campaign_id, content.content_id, content.version, target.platform,
        target.account, content.trace_id, due_at, due_at + timedelta(seconds=target.late_within_s), NOT_TAKEN_IN,
    )  # fmt: skip


def _recorded(record: PlacementRecord) -> Awaited:
    state: State = record.state
    return Awaited(
        record.placement_id, record.brand_id, record.campaign_id, record.content_id, record.content_version,
        record.platform, record.account, record.trace_id, record.due_at, record.late_until, state,
    )  # fmt: skip
