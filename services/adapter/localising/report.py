"""What localising did to a content and found in it, in the order in which it happened; says nothing of any platform.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.events.content import MediaRef
from schemas.events.placement import DraftMedia, Dropped
from services.adapter.contract.content import Refusal
from services.adapter.localising.markdown import Document


@dataclass(slots=True, kw_only=True)
class Report:
    """Filled while a draft is made: rules applied, what was left out, hints, reasons why there is no draft."""

    rules: list[str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def rule(self, name: str) -> None:
        if name not in self.rules:
            self.rules.append(name)

    def drop(self, what: str, why: str) -> None:
        self.dropped.append(Dropped(what=what, why=why))

    def heed(self, document: Document, where: str) -> None:
        """Tells what readers of a Markdown text will not see as it was meant; refuses what cannot be posted so."""
        for remark in document.remarks:
            words = remark.words
            if remark.serious:
                self.refuse(remark.code, where, words.zh, words.en, f"请修改{remark.where.zh} / mend it there")
            elif words.both() not in self.warnings:
                self.warnings.append(words.both())

    def refuse(self, code: str, where: str, message: str, message_en: str, way_out: str) -> None:
        self.refusals.append(Refusal(code, where, message, message_en, way_out))


def draft_media(ref: MediaRef, use: str) -> DraftMedia:
    """The file as a draft names it."""
    return DraftMedia(
        media_id=ref.media_id,
        use=use,
        uri=ref.uri,
        sha256=ref.sha256,
        content_type=ref.content_type,
        size_bytes=ref.size_bytes,
        width=ref.width,
        height=ref.height,
        duration_s=ref.duration_s,
    )
