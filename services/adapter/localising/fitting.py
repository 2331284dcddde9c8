"""Collects what localising does to a content (rules, drops, refusals), and checks against limits that any platform has.

Pure. Texts of the master may be shortened, which is reported; human words are never cut, only refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.events.content import MediaRef
from schemas.events.placement import DraftMedia
from services.adapter.contract.content import MediaLimit
from services.adapter.localising.report import Report, draft_media
from services.adapter.localising.text import truncate

MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class Fitting(Report):
    """One content fitted to one platform. name: of the platform, Chinese. count: its way of counting characters."""

    name: str
    count: Callable[[str], int] = len

    def human(self, text: str, limit: int, where: str, label: str) -> str:
        """Words that a person wrote for this platform, as they are; refused where they do not fit."""
        text = text.strip()
        if (used := self.count(text)) > limit:
            self.refuse(
                f"{where.rpartition('.')[2]}_too_long",
                where,
                f"人工稿的{label}有 {used} 字，{self.name}最多 {limit} 字",
                f"the human words have {used} characters, at most {limit} fit",
                f"缩短到 {limit} 字以内 / shorten to {limit}",
            )
        return text

    def shortened(self, text: str, limit: int, what: str, label: str) -> str:
        """Words of the master, cut where they are too long."""
        if (used := self.count(text)) <= limit:
            return text
        self.rule(f"{what}:shortened")
        self.drop(what, f"{label} {used} 字，{self.name}最多 {limit} 字，已截短")
        return truncate(text, limit, self.count)

    def media(self, ref: MediaRef, limit: MediaLimit) -> DraftMedia:
        """The file as a draft names it; refused where the platform would not take it for this use."""
        where = f"media.{ref.media_id}"
        if ref.content_type not in limit.content_types:
            allowed = "、".join(kind.partition("/")[2] for kind in limit.content_types)
            self.refuse(
                "media_type",
                where,
                f"素材 {ref.media_id} 是 {ref.content_type}，用作 {limit.use} 只能是 {allowed}",
                f"{ref.content_type} is not accepted as {limit.use}",
                f"转换为 {allowed} / convert it",
            )
        if limit.max_bytes is not None and ref.size_bytes > limit.max_bytes:
            most = f"{limit.max_bytes / MEGABYTE:.2f} MB"
            self.refuse(
                "media_too_large",
                where,
                f"素材 {ref.media_id} 有 {ref.size_bytes / MEGABYTE:.2f} MB，用作 {limit.use} 最多 {most}",
                f"{ref.size_bytes} bytes are too many for {limit.use}",
                f"压缩到 {most} 以内 / compress it",
            )
        if ref.size_bytes == 0:
            message = f"素材 {ref.media_id} 是空文件"
            self.refuse("media_empty", where, message, "the file is empty", "重新提供这个文件 / provide the file again")
        return draft_media(ref, limit.use)
