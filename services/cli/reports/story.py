"""The life of a placement in plain words, made from its ledger record. Pure: no I/O and no decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.events.placement import Failure, HistoryEntry, PlacementRecord, State
from schemas.words import Words, error_class_words, state_words
from services.cli.terminal.times import duration, local
from services.publisher.api.answers import PlacementDetail, PlacementStatus

Language = Literal["zh", "en"]
Tone = Literal["title", "plain", "good", "bad", "wait", "dim"]

TONES: dict[State, Tone] = {
    "LIVE": "good", "REJECTED": "bad", "MISSED": "bad", "REMOVED": "bad", "NEEDS_HUMAN": "bad", "UNKNOWN": "wait",
    "PARKED": "wait",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    tone: Tone
    text: str


def told(detail: PlacementDetail, platform_name: str, language: Language = "zh") -> list[Line]:
    """The whole story, one line at a time."""
    teller = _Teller(language)
    status, record = detail.status, detail.record
    lines = [teller.headline(status, platform_name), teller.plan(status)]
    if record is None:
        return [*lines, teller.say("wait", "还没有适配器接手它", "no adapter has taken it over yet")]
    return [*lines, *teller.draft(record), *teller.history(record), *teller.steps(record), *teller.now(record)]


@dataclass(frozen=True, slots=True)
class _Teller:
    language: Language

    def say(self, tone: Tone, zh: str, en: str) -> Line:
        return Line(tone, zh if self.language == "zh" else en)

    def pick(self, words: Words) -> str:
        return words.zh if self.language == "zh" else words.en

    def span(self, start: datetime, end: datetime) -> str:
        seconds = max(0.0, (end - start).total_seconds())
        return duration(seconds) if self.language == "zh" else f"{seconds:.1f} s"

    def headline(self, status: PlacementStatus, platform_name: str) -> Line:
        where = f"{platform_name} {status.account}" + ("" if status.slot == "main" else f"（{status.slot}）")
        content, version = status.content_id, status.content_version
        return self.say(
            "title",
            f"{status.placement_id}：把《{status.title}》（{content} 第 {version} 版）发到{where}",
            f"{status.placement_id}: “{status.title}” ({content}, version {version}) to {where}",
        )

    def plan(self, status: PlacementStatus) -> Line:
        due, latest = local(status.due_at), local(status.late_until)
        return self.say("plain", f"计划 {due} 发布，最晚 {latest}", f"due {due}, at the latest {latest}")

    def draft(self, record: PlacementRecord) -> Iterator[Line]:
        draft = record.draft
        if draft is None:
            return
        used = f"{draft.length_used}/{draft.length_limit}"
        pictures = len(draft.media)
        yield self.say(
            "plain",
            f"平台版本：{draft.form}，长度 {used}，媒体 {pictures} 个，规则 {draft.rules_version}",
            f"the platform's form: {draft.form}, length {used}, {pictures} file(s), rules {draft.rules_version}",
        )
        for one in draft.dropped:
            yield self.say("dim", f"  省略 {one.what}：{one.why}", f"  left out {one.what}: {one.why}")

    def history(self, record: PlacementRecord) -> Iterator[Line]:
        before: HistoryEntry | None = None
        unknown: HistoryEntry | None = None
        for entry in record.history:
            waited = f" +{self.span(before.at, entry.at)}" if before else ""
            step = f" [{entry.step}]" if entry.step else ""
            words = entry.note if self.language == "zh" and entry.note else self.pick(state_words(entry.state).says)
            yield Line(TONES.get(entry.state, "plain"), f"{local(entry.at)}{waited} {entry.state}{step} {words}")
            if unknown and entry.state != "UNKNOWN":
                yield self._cleared(unknown, entry)
            unknown = (unknown or entry) if entry.state == "UNKNOWN" else None
            if entry.failure and entry.state != "PARKED":  # held back by us: nothing has failed
                yield from self._why(entry.failure)
            before = entry

    def _cleared(self, unknown: HistoryEntry, after: HistoryEntry) -> Line:
        found = after.state in ("LIVE", "ACCEPTED")
        zh = "查找到了这条帖子，没有重发" if found else "查找后仍未确认为已发布"
        en = "the post was found, nothing was sent twice" if found else "looking did not find it as posted"
        spent = self.span(unknown.at, after.at)
        return self.say("dim", f"  未知状态持续 {spent} 后解除：{zh}", f"  cleared after {spent}: {en}")

    def _why(self, failure: Failure) -> Iterator[Line]:
        meaning = error_class_words(failure.error_class)
        code = f" {failure.code}" if failure.code else ""
        strange = "" if failure.recognised else self.pick(Words("（未识别的错误码）", " (unrecognised code)"))
        yield self.say(
            "bad",
            f"  原因：{meaning.says.zh}{code}{strange}：{failure.message}",
            f"  why: {meaning.says.en}{code}{strange}: {failure.message}",
        )
        sent = {
            "no": ("请求没有发出", "the request was never sent"),
            "yes": ("平台给了答复", "the platform answered"),
            "unknown": ("发出后没有答复", "sent without an answer"),
        }[failure.sent]
        yield self.say("dim", f"  {sent[0]}；下一步：{meaning.way_out.zh}", f"  {sent[1]}; next: {meaning.way_out.en}")

    def steps(self, record: PlacementRecord) -> Iterator[Line]:
        if not record.steps:
            return
        names = "、".join(f"{step.name} {local(step.finished_at)}" for step in record.steps)
        yield self.say("dim", f"已完成的步骤：{names}", f"finished steps: {names}")

    def now(self, record: PlacementRecord) -> Iterator[Line]:
        state = self.pick(state_words(record.state).says)
        since = local(record.since)
        tone = TONES.get(record.state, "plain")
        yield self.say(tone, f"现在：{state}（自 {since}）", f"now: {state} (since {since})")
        if record.waiting_on and not record.is_final:
            yield self.say("wait", f"正在等：{record.waiting_on}", f"waiting on: {record.waiting_on}")
        if record.next_attempt_at and not record.is_final:
            at = local(record.next_attempt_at)
            yield self.say("wait", f"下一次动作 {at}", f"next action at {at}")
        if record.post:
            address = record.post.url or record.post.native_id
            yield self.say("good", f"帖子：{address}", f"post: {address}")
