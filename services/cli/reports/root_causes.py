"""Which placements have failed and nobody has dealt with, gathered by root cause, with what to do next. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from schemas.events.failure import FailureHandled
from schemas.events.placement import PlacementRecord

FAILED_STATES = frozenset({"REJECTED", "MISSED", "NEEDS_HUMAN", "REMOVED"})
# class → (Chinese, English)
_NEXT: dict[str, tuple[str, str]] = {
    "auth": ("重新授权账号，然后重试", "authorise the account anew, then retry"),
    "quota": ("等额度恢复或改到以后，再重试", "wait for the quota or move it, then retry"),
    "content": ("按平台的说明修改内容，发新版本", "change the content as the platform says and send a new version"),
    "media": ("更换或重新导出素材，发新版本", "replace the media and send a new version"),
    "account_risk": (
        "先到平台后台处理账号风险，确认后再放行或重试",
        "clear the account with the platform first, then retry",
    ),
    "platform_down": ("平台恢复后重试", "retry when the platform is back"),
    "network_unknown": ("先核对帖子是否存在：tongbo confirm 或 deny", "look for the post: `tongbo confirm` or `deny`"),
    "needs_human": ("按 tongbo explain 的说明人工完成", "finish it by hand as `tongbo explain` says"),
    "bug": ("把日志交给维护者；修好后重试", "give the log to the maintainers, retry when mended"),
    "missed": (
        "错过了时间：改时间发新版本，或确认不再发",
        "too late: a new version at another time, or let it be",
    ),
    "removed": ("上线后被移除：到平台后台查看原因", "removed after it was live: ask the platform why"),
}


@dataclass(frozen=True, slots=True)
class Cause:
    """One root cause and the placements that failed by it, longest ago first."""

    platform: str
    error_class: str
    code: str
    placements: tuple[PlacementRecord, ...]

    @property
    def name(self) -> str:
        """How it is named at the command line."""
        return ":".join((self.platform, self.error_class, *([self.code] if self.code else [])))

    @property
    def since(self) -> datetime:
        return self.placements[0].since

    @property
    def message(self) -> str:
        newest = self.placements[-1]
        return newest.failure.message if newest.failure else newest.waiting_on

    @property
    def next_step(self) -> tuple[str, str]:
        return _NEXT.get(self.error_class, _NEXT["bug"])


def open_causes(
    records: Iterable[PlacementRecord], handled: Mapping[str, FailureHandled], *, brand: str | None = None
) -> tuple[Cause, ...]:
    """Every cause with failures that nobody has dealt with; the one with most placements first."""
    groups: dict[tuple[str, str, str], list[PlacementRecord]] = defaultdict(list)
    for record in records:
        if record.state in FAILED_STATES and brand in (None, record.brand_id) and not _done(record, handled):
            groups[_root(record)].append(record)
    causes = [Cause(*root, tuple(sorted(found, key=lambda one: one.since))) for root, found in groups.items()]
    return tuple(sorted(causes, key=lambda one: (-len(one.placements), one.name)))


def _done(record: PlacementRecord, handled: Mapping[str, FailureHandled]) -> bool:
    note = handled.get(record.placement_id)
    return note is not None and note.revision >= record.revision


def _root(record: PlacementRecord) -> tuple[str, str, str]:
    if record.state in ("MISSED", "REMOVED"):
        return record.platform, record.state.lower(), ""
    failure = record.failure
    if failure is None:
        return record.platform, "needs_human", ""
    return record.platform, failure.error_class, failure.code or ""
