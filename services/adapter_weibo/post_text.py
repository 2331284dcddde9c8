"""Puts the text of a Weibo status together, part by part within its length. Pure; refuses and drops, sends nothing."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from schemas.events.content import Declarations, MasterContent
from services.adapter.contract.accounts import Account
from services.adapter.localising.report import Report
from services.adapter.localising.text import join_sentences, key_message_survives, normalise, without_end_mark
from services.adapter_weibo.limits import MAX_TOPICS, STATUS_MAX, status_length

AD_LABEL, AI_LABEL = "（广告）", "（内容由AI生成）"
TOPIC = re.compile(r"[#＃]([^#＃\n]+)[#＃]")


@dataclass(frozen=True, slots=True)
class StatusText:
    """The parts of a status, in the order in which they are written."""

    title: str = ""
    lead: tuple[str, ...] = ()
    labels: str = ""
    topics: tuple[str, ...] = ()
    link: str = ""

    @property
    def text(self) -> str:
        words = (f"【{self.title}】" if self.title else "") + join_sentences(self.lead) + self.labels
        tags = " ".join(f"#{topic}#" for topic in self.topics)
        return " ".join(part for part in (words, tags, self.link) if part)

    @property
    def fits(self) -> bool:
        return status_length(self.text) <= STATUS_MAX

    def contains(self, words: str) -> bool:
        """Whether the title or the sentences contain these words."""
        return key_message_survives(f"{self.title}{''.join(self.lead)}", words)

    def has_sentence(self, sentence: str) -> bool:
        """Whether the title or a sentence equals this sentence, apart from the end mark."""
        present = {normalise(without_end_mark(words)) for words in (self.title, *self.lead)}
        return normalise(without_end_mark(sentence)) in present


def with_key_message(status: StatusText, content: MasterContent, supply: tuple[str, ...], report: Report) -> StatusText:
    """The status with the key message: the title or a sentence that contains it, where that fits, else the message."""
    key = content.key_message
    if not normalise(key):
        return status
    choices = [
        dataclasses.replace(status, title=content.title),
        *(dataclasses.replace(status, lead=(sentence,)) for sentence in supply),
    ]
    for choice in choices:
        if choice.contains(key) and choice.fits:
            return choice
    plain = dataclasses.replace(status, lead=(key,))
    if not plain.fits:
        used = status_length(plain.text)
        report.refuse(
            "key_message_too_long",
            "key_message",
            f"核心信息连同链接和标注共 {used} 字，超过微博的 {STATUS_MAX} 字",
            f"key message, link and labels count {used}, more than {STATUS_MAX}",
            "缩短 key_message 或换短链接 / shorten key_message or the link",
        )
    return plain


def with_title(status: StatusText, title: str, report: Report) -> StatusText:
    if not title or status.contains(title):
        return status
    titled = dataclasses.replace(status, title=title)
    if titled.fits:
        return titled
    report.drop("title", f"微博正文限 {STATUS_MAX} 字，放不下标题")
    return status


def with_topics(status: StatusText, topics: tuple[str, ...]) -> StatusText:
    for topic in topics[len(status.topics) :]:
        tagged = dataclasses.replace(status, topics=(*status.topics, topic))
        if not tagged.fits:
            return status
        status = tagged
    return status


def with_sentences(status: StatusText, supply: tuple[str, ...], source: str, report: Report) -> StatusText:
    """Adds whole sentences in their order until one does not fit; leaves out sentences that are there already."""
    for number, sentence in enumerate(supply):
        if status.has_sentence(sentence):
            continue
        longer = dataclasses.replace(status, lead=(*status.lead, sentence))
        if not longer.fits:
            report.drop(source, f"微博正文限 {STATUS_MAX} 字，只放得下前 {number} 句（共 {len(supply)} 句）")
            report.rule("shortened_by_sentences")
            return status
        status = longer
    return status


def allowed_topics(wanted: tuple[str, ...], account: Account, report: Report) -> tuple[str, ...]:
    """Topic words as Weibo wants them between two `#`; none where the open interface forbids them."""
    words = tuple(dict.fromkeys(word for word in (re.sub(r"[#＃\s]+", "", topic) for topic in wanted) if word))
    if account.way == "open":
        for word in words:
            report.drop(f"topic:{word}", "开放接口 statuses/share 不允许 #话题#")
        return ()
    for word in words[MAX_TOPICS:]:
        report.drop(f"topic:{word}", f"一条微博最多带 {MAX_TOPICS} 个话题")
    return words[:MAX_TOPICS]


def missing_labels(declarations: Declarations, text: str, report: Report) -> str:
    """The labels that the law requires, unless the text has them already."""
    labels = ""
    if declarations.advertisement and "广告" not in text:
        report.rule("advertisement_label")
        labels += AD_LABEL
    if declarations.ai_generated and "AI" not in text.upper():
        report.rule("ai_generated_label")
        labels += AI_LABEL
    return labels
