"""Turns a master content into a Weibo status of 140 characters, or into the reasons why there can be none.

Pure and deterministic. A human variant replaces the words, not the limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from schemas.events.content import MasterContent, MediaRef, MediaRole, Target, Variant
from schemas.events.placement import Draft, DraftMedia
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised
from services.adapter.localising import lexicon
from services.adapter.localising.plain_words import captioned
from services.adapter.localising.report import Report, draft_media
from services.adapter.localising.text import (
    URL,
    fingerprint,
    key_message_survives,
    normalise,
    sentences,
    to_script,
)
from services.adapter_weibo.limits import (
    PICTURE_BELOW,
    PICTURE_TYPES,
    PICTURES,
    STATUS_MAX,
    WAYS,
    status_length,
)
from services.adapter_weibo.post_text import (
    TOPIC,
    StatusText,
    allowed_topics,
    missing_labels,
    with_key_message,
    with_sentences,
    with_title,
    with_topics,
)

RULES = "weibo-1"
_COVER_FIRST: tuple[MediaRole, ...] = ("cover", "gallery", "inline")
_GALLERY_FIRST: tuple[MediaRole, ...] = ("gallery", "inline", "cover")


@dataclass(slots=True)
class _Report(Report):
    """A report with the word check that every text here has to pass."""

    def check_words(self, texts: dict[str, str], content: MasterContent) -> None:
        found = lexicon.check(texts, content.declarations.confirmed_words)
        self.warnings += found.warnings
        self.refusals += found.refusals


def localise(content: MasterContent, target: Target, account: Account) -> Localised:
    """The status of `content` for one account, or every reason why there can be none."""
    report = _Report()
    _check_account(account, report)
    link = _link(content, report)
    variant = content.variant_for(target.platform, target.account)
    if variant is not None and variant.text is not None:
        status = _human(content, variant, account, link, report)
    else:
        status = _generated(_worded(content, variant, account, report), account, link, report)
    _check_link(status.text, content, account, report)
    media = _pictures(content, account, report)
    if report.refusals:
        return Localised(None, tuple(report.refusals))
    return Localised(_draft(target, account, status, media, report))


def _draft(
    target: Target, account: Account, status: StatusText, media: tuple[DraftMedia, ...], report: _Report
) -> Draft:
    fields = {"way": account.way, "status": status.text}
    if account.way == "commercial":
        fields["visible"] = "0"
    return Draft(
        platform=target.platform,
        account=target.account,
        form="status",
        title=status.title,
        text=status.text,
        fields=fields,
        media=media,
        fingerprint=fingerprint(status.text),
        rules_version=f"{RULES}+lexicon-{lexicon.lexicon_version()}",
        rules_applied=tuple(report.rules),
        dropped=tuple(report.dropped),
        warnings=tuple(report.warnings),
        length_used=status_length(status.text),
        length_limit=STATUS_MAX,
    )


# --- generated text --------------------------------------------------------------------------------------------------


def _worded(content: MasterContent, variant: Variant | None, account: Account, report: _Report) -> MasterContent:
    """The content in the account's script, with the variant's title and topics, as plain text without topic marks."""
    title, topics = content.title, content.topics
    if variant is not None and (variant.title is not None or variant.topics is not None):
        title = title if variant.title is None else variant.title
        topics = topics if variant.topics is None else variant.topics
        report.rule("human_title_and_topics")

    def plain(text: str) -> str:
        unmarked = TOPIC.sub(r"\1", text).replace("#", "＃")
        written = to_script(unmarked, account.script)
        if unmarked != text:
            report.rule("topic_marks_removed")
        if written != unmarked:
            report.rule(f"script_{account.script}")
        return written

    return msgspec.structs.replace(
        content,
        title=plain(" ".join(title.split())),
        key_message=plain(" ".join(content.key_message.split())),
        summary=plain(content.summary.strip()),
        body=plain(captioned(content.body, report, "body")),
        topics=tuple(to_script(topic, account.script) for topic in topics),
    )


def _generated(content: MasterContent, account: Account, link: str, report: _Report) -> StatusText:
    """As much as fits, most important first: link and key message, one topic, title, topics, further sentences."""
    source = "summary" if content.summary else "body"
    supply = sentences(content.summary or content.body)
    topics = allowed_topics(content.topics, account, report)
    status = with_key_message(
        StatusText(labels=missing_labels(content.declarations, "", report), link=link), content, supply, report
    )
    status = with_topics(status, topics[:1])
    status = with_title(status, content.title, report)
    status = with_topics(status, topics)
    for topic in topics[len(status.topics) :]:
        report.drop(f"topic:{topic}", f"微博正文限 {STATUS_MAX} 字，放不下这个话题")
    status = with_sentences(status, supply, source, report)
    if content.summary and content.body:
        report.drop("body", f"微博正文限 {STATUS_MAX} 字，全文{'在链接里' if link else '没有放进来'}")
    if not (status.title or status.lead):
        report.refuse(
            "empty_text", "key_message", "没有可发布的文字", "there are no words to post", "填写 key_message / give one"
        )
    report.rule("status_composed")
    report.check_words(
        {
            "title": status.title,
            "key_message": content.key_message,
            source: "\n".join(s for s in status.lead if s != content.key_message),
            "topics": "\n".join(status.topics),
        },
        content,
    )
    return status


# --- human text ------------------------------------------------------------------------------------------------------


def _human(content: MasterContent, variant: Variant, account: Account, link: str, report: _Report) -> StatusText:
    """The human text as written; only a missing key message, link, label or topic is added."""
    text = (variant.text or "").strip()
    report.rule("human_text")
    if not normalise(text):
        report.refuse(
            "empty_text", "variants.text", "文案为空", "the text is empty", "填写文案或删去该项 / write or omit"
        )
    lead: tuple[str, ...] = (text,)
    if not key_message_survives(text, content.key_message):
        lead = (content.key_message, text)
        report.rule("key_message_inserted")
        report.warnings.append("文案里没有核心信息，已加在最前 / the key message was missing and put first")
    needs_link = account.way == "open" and not _safe_urls(text, account)
    status = StatusText(
        lead=lead,
        labels=missing_labels(content.declarations, text, report),
        topics=_missing_topics(variant, text, account, report),
        link=link if needs_link else "",
    )
    if status.link:
        report.rule("link_appended")
    _check_human(content, status, text, account, report)
    return status


def _missing_topics(variant: Variant, text: str, account: Account, report: _Report) -> tuple[str, ...]:
    return tuple(topic for topic in allowed_topics(variant.topics or (), account, report) if f"#{topic}#" not in text)


def _check_human(content: MasterContent, status: StatusText, text: str, account: Account, report: _Report) -> None:
    used = status_length(status.text)
    if used > STATUS_MAX:
        added = used - status_length(text)
        report.refuse(
            "text_too_long",
            "variants.text",
            f"文案共 {used} 字，超过微博的 {STATUS_MAX} 字" + (f"（其中补上的部分占 {added} 字）" if added else ""),
            f"the text counts {used}, more than {STATUS_MAX} ({added} of them added by us)",
            f"至少删去 {used - STATUS_MAX} 字 / cut at least {used - STATUS_MAX}",
        )
    if account.way == "open" and TOPIC.search(URL.sub(" ", text)):
        report.refuse(
            "topic_not_allowed",
            "variants.text",
            "开放接口不允许 #话题#",
            "the open interface allows no #topic#",
            "删去 # 号，或改用商业接口的账号 / remove the marks or use a commercial account",
        )
    report.check_words({"variants.text": status.text}, content)


# --- account, link, pictures -----------------------------------------------------------------------------------------


def _check_account(account: Account, report: _Report) -> None:
    if account.way not in WAYS:
        report.refuse(
            "unknown_way",
            "targets.account",
            f"账号 {account.account} 的发布方式“{account.way}”不存在",
            f"the account's way “{account.way}” does not exist",
            f"在账号文件里改为 {'、'.join(WAYS)} 之一 / use one of them",
        )
    if account.way == "open" and not account.options.get("safe_domain"):
        report.refuse(
            "safe_domain_missing",
            "targets.account",
            f"账号 {account.account} 没有登记安全域名 options.safe_domain，开放接口会拒绝",
            "options.safe_domain of the account is missing; the open interface would refuse",
            "在账号文件里填写应用登记的安全域名 / declare the app's safe domain",
        )


def _link(content: MasterContent, report: _Report) -> str:
    link = (content.link or "").strip()
    if link and not URL.fullmatch(link):
        report.refuse(
            "link_invalid",
            "link",
            f"链接不是完整的 http(s) 地址：{link}",
            "the link is no complete http(s) address",
            "写全地址，中文用百分号编码 / write it in full, non-ASCII percent-encoded",
        )
        return ""
    return link


def _safe_urls(text: str, account: Account) -> list[str]:
    """The addresses in the text that lie under the account's safe domain."""
    domain = account.options.get("safe_domain", "").lower()
    hosts = {url: _host(url) for url in URL.findall(text)}
    return [url for url, host in hosts.items() if domain and (host == domain or host.endswith(f".{domain}"))]


def _host(url: str) -> str:
    """Empty for text that only looks like an address, such as `http://[`."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _check_link(text: str, content: MasterContent, account: Account, report: _Report) -> None:
    domain = account.options.get("safe_domain")
    if account.way == "open" and domain and not _safe_urls(text, account):
        report.refuse(
            "link_not_in_safe_domain",
            "link",
            f"开放接口要求正文含安全域名 {domain} 下的链接" + (f"，而 link 是 {content.link}" if content.link else ""),
            f"the open interface wants a link under {domain}",
            f"把 link 设为 {domain} 下的页面 / set link to a page there",
        )
    if content.kind == "video" and not URL.search(text):
        report.warnings.append("没有链接，读者看不到视频 / without a link nobody can see the video")


def _pictures(content: MasterContent, account: Account, report: _Report) -> tuple[DraftMedia, ...]:
    """The pictures of the status, by role; one where the text links to the whole article or video."""
    for media in content.media:
        if media.role == "video":
            report.drop(f"media:{media.media_id}", "微博开放接口没有视频接口，改发文字、封面图和链接")
            report.rule("video_as_cover_and_link")
    several = content.kind in ("pictures", "notice")
    roles = _GALLERY_FIRST if several else _COVER_FIRST
    wanted = [media for role in roles for media in content.media if media.role == role]
    room = PICTURES.get(account.way, 1) if several else 1
    for media in wanted[room:]:
        report.drop(f"media:{media.media_id}", f"这条微博只带 {room} 张图")
    if content.kind == "pictures" and not wanted:
        report.refuse(
            "picture_missing",
            "media",
            "图集没有图片",
            "a picture set without pictures",
            "添加 role 为 gallery 的图片 / add pictures of role gallery",
        )
    return tuple(_picture(media, report) for media in wanted[:room])


def _picture(media: MediaRef, report: _Report) -> DraftMedia:
    if media.content_type not in PICTURE_TYPES:
        report.refuse(
            "picture_type",
            f"media.{media.media_id}.content_type",
            f"微博不支持 {media.content_type} 图片",
            f"Weibo takes no {media.content_type} pictures",
            "转成 JPEG、PNG 或 GIF / convert it",
        )
    if not 0 < media.size_bytes < PICTURE_BELOW:
        report.refuse(
            "picture_size",
            f"media.{media.media_id}.size_bytes",
            f"图片 {media.size_bytes} 字节，须大于 0 且小于 {PICTURE_BELOW} 字节（5 MB）",
            f"{media.size_bytes} bytes, must be above 0 and below {PICTURE_BELOW}",
            "压缩图片 / compress it",
        )
    return draft_media(media, "pic")
