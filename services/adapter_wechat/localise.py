"""Master content → the draft of one Official Account: a styled article (`news`) or a picture post (`newspic`).

Pure and deterministic. Human words are never cut: what does not fit is refused, all problems at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from schemas.events.content import MasterContent, MediaRef, Target, Variant
from schemas.events.placement import Draft, DraftMedia
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised
from services.adapter.localising import lexicon
from services.adapter.localising.article import Article, ArticleRules, as_markdown, placeholders, render_article
from services.adapter.localising.fitting import Fitting
from services.adapter.localising.text import (
    fingerprint,
    key_message_survives,
    sentences,
    strip_markdown,
    to_script,
    truncate,
)
from services.adapter_wechat import limits
from services.adapter_wechat.settings import ARTICLE_CSS, MASS_FIELD

RULES = "wechat-2"
WAYS = ("publish", "mass")
PUBLISHING_LEVELS = ("", "service", "service_verified", "subscription_verified")
COMMENTS = {"open": (1, 0), "fans": (1, 1), "closed": (0, 0)}
# An article that the originality check takes for a repost is not sent: a person decides.
TO_ALL = {"filter": {"is_to_all": True}, "send_ignore_reprint": 0}
LINK_HOSTS = ("mp.weixin.qq.com",)
PICTURE_HOSTS = ("mmbiz.qpic.cn", "mmbiz.qlogo.cn")

Speak = Callable[[str], str]


def localise(content: MasterContent, target: Target, account: Account) -> Localised:
    """The draft, or every reason why there is none."""
    notes = Fitting("公众号", width)
    _check_account(account, notes)
    words = _words(content, account, notes)
    form = limits.LIMITS.kinds[content.kind]
    if form == "newspic" and account.way == "mass":
        _refuse_mass_pictures(account, notes)
    made = _newspic(content, words, notes) if form == "newspic" else _news(content, words, notes)
    found = lexicon.check({words.title_field: words.title, "summary": words.digest, words.body_field: made.text})
    notes.refusals += found.refusals
    if notes.refusals:
        return Localised(None, tuple(notes.refusals))
    draft = Draft(
        platform=target.platform,
        account=target.account,
        form=form,
        title=words.title,
        text=made.text,
        html=made.html,
        fields=_fields(form, words, account),
        media=made.media,
        fingerprint=fingerprint(words.title),
        rules_version=f"{RULES}+lexicon-{lexicon.lexicon_version()}",
        rules_applied=tuple(notes.rules),
        dropped=tuple(notes.dropped),
        warnings=found.warnings,
        length_used=made.length,
        length_limit=made.limit,
    )
    return Localised(draft)


def width(text: str) -> int:
    """Length as the platform may count it at worst: what lies beyond the first Unicode plane as two. [assumption]"""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class _Words:
    """The words before they take a form. body: Markdown. tail: lines that have to stand at the end."""

    title: str
    title_field: str
    author: str
    digest: str
    body: str
    body_field: str
    key_message: str
    topics: tuple[str, ...]
    source_url: str
    advertisement: bool
    tail: tuple[str, ...]
    speak: Speak

    @property
    def by_hand(self) -> bool:
        return self.body_field.startswith("variants")


@dataclass(frozen=True, slots=True)
class _Made:
    """The body in its form."""

    text: str
    html: str
    media: tuple[DraftMedia, ...]
    length: int
    limit: int


def _check_account(account: Account, notes: Fitting) -> None:
    level, comments = account.options.get("level", ""), account.options.get("comments", "open")
    where = "targets.account"
    if account.way not in WAYS:
        message = f"账号 {account.account} 的 way“{account.way}”无效"
        notes.refuse(
            "way_unknown", where, message, "unknown way of posting", "填 publish 或 mass / use publish or mass"
        )
    if level not in PUBLISHING_LEVELS:
        notes.refuse(
            "publish_not_permitted",
            where,
            f"账号 {account.account}（{level}）没有发布和群发接口的权限",
            "only service accounts and verified enterprise subscription accounts may publish or mass-send by API",
            "使用服务号，或完成企业认证 / use a service account or get the account verified",
        )
    if comments not in COMMENTS:
        message = f"账号 {account.account} 的 options.comments“{comments}”无效"
        way_out = f"填 {'、'.join(COMMENTS)} 之一 / use one of these"
        notes.refuse("comments_option_unknown", where, message, "unknown options.comments", way_out)


def _refuse_mass_pictures(account: Account, notes: Fitting) -> None:
    notes.refuse(
        "pictures_not_for_mass",
        "kind",
        f"账号 {account.account} 用群发（mass），群发接口只确认支持图文文章，不发图片消息",
        "mass sending is known to take articles only, no picture posts",
        "改为 kind: article 并把图片放进正文，或换用 way: publish 的账号"
        " / use kind: article with the pictures in its body, or an account with way: publish",
    )


def _fields(form: str, words: _Words, account: Account) -> dict[str, Any]:
    """The article as draft/add takes it, but for content and media ids, which the uploads yield; and the mass send."""
    fields: dict[str, Any] = {"article_type": form, "title": words.title}
    if words.author:
        fields["author"] = words.author
    if form == "news":
        fields["digest"] = words.digest
    if form == "news" and words.source_url:
        fields["content_source_url"] = words.source_url
    opened, only_fans = COMMENTS[account.options.get("comments", "open")]
    fields |= {"need_open_comment": opened, "only_fans_can_comment": only_fans}
    return fields | ({MASS_FIELD: TO_ALL} if account.way == "mass" else {})


# --- words -----------------------------------------------------------------------------------------------------------


def _words(content: MasterContent, account: Account, notes: Fitting) -> _Words:
    variant = content.variant_for("wechat", account.account)
    if variant is not None:
        notes.rule("variant:human")
    speak = _speaker(content, account, notes)
    title, title_field = _title(content, variant, speak, notes)
    body, body_field = _body(content, variant, speak)
    key_message = speak(content.key_message).strip()
    topics = variant.topics if variant is not None and variant.topics is not None else content.topics
    return _Words(
        title=title,
        title_field=title_field,
        author=_author(content, speak, notes),
        digest=_digest(content, variant, key_message, speak, notes),
        body=body,
        body_field=body_field,
        key_message=key_message,
        topics=tuple(speak(topic).strip().strip("#") for topic in topics),
        source_url=_source_url(content, notes),
        advertisement=content.declarations.advertisement,
        tail=tuple(speak(line) for line in _declared(content, notes)),
        speak=speak,
    )


def _speaker(content: MasterContent, account: Account, notes: Fitting) -> Speak:
    """Writes words in the account's script. A master that is in it already stays as it is, word for word."""
    whole = "\n".join((content.title, content.summary, content.body, content.key_message, *content.topics))
    if to_script(whole, account.script) == whole:
        return str
    notes.rule(f"script:{account.script}")
    return lambda text: to_script(text, account.script)


def _title(content: MasterContent, variant: Variant | None, speak: Speak, notes: Fitting) -> tuple[str, str]:
    by_hand = variant is not None and variant.title is not None
    where = "variants.title" if by_hand else "title"
    if variant is not None and variant.title is not None:
        title = notes.human(variant.title, limits.TITLE, where, "标题")
    else:
        title = notes.shortened(" ".join(speak(content.title).split()), limits.TITLE, "title", "标题")
    if not title:
        notes.refuse("title_missing", where, "公众号文章必须有标题", "a title is required", f"填写 {where} / fill it")
    return title, where


def _author(content: MasterContent, speak: Speak, notes: Fitting) -> str:
    author = speak(content.author).strip()
    if width(author) <= limits.AUTHOR:
        return author
    notes.drop("author", f"作者名 {width(author)} 字，公众号最多 {limits.AUTHOR} 字；名字不宜截断，未填写作者")
    return ""


def _digest(content: MasterContent, variant: Variant | None, key_message: str, speak: Speak, notes: Fitting) -> str:
    """What is shown below the title in a list. Left empty the platform would take the first words of the body."""
    if variant is not None and variant.digest is not None:
        return notes.human(variant.digest, limits.DIGEST, "variants.digest", "摘要")
    if content.summary.strip():
        return notes.shortened(" ".join(speak(content.summary).split()), limits.DIGEST, "digest", "摘要")
    notes.rule("digest:key_message")
    return notes.shortened(key_message, limits.DIGEST, "digest", "摘要")


def _body(content: MasterContent, variant: Variant | None, speak: Speak) -> tuple[str, str]:
    """The body as Markdown and the field it comes from. Script is changed later, word by word, so that addresses in
    the Markdown stay as they are."""
    if variant is not None and variant.body is not None:
        return variant.body, "variants.body"
    if variant is not None and variant.text is not None:
        return as_markdown(variant.text), "variants.text"
    if content.body.strip():
        return content.body, "body"
    if content.summary.strip():
        return as_markdown(content.summary), "summary"
    return as_markdown(content.key_message), "key_message"


def _source_url(content: MasterContent, notes: Fitting) -> str:
    """The address behind 阅读原文: the brand's own page, else where a repost comes from."""
    url = content.link or content.declarations.source_url or ""
    if url and not url.startswith(("http://", "https://")):
        way_out = "填写以 https:// 开头的地址 / give an address that begins with https://"
        notes.refuse("link_invalid", "link", f"链接“{url[:60]}”不是网址", "the link is no web address", way_out)
    if (size := len(url.encode())) > limits.SOURCE_URL_BYTES:
        message = f"“阅读原文”链接 {size} 字节，最多 {limits.SOURCE_URL_BYTES} 字节"
        notes.refuse(
            "link_too_long", "link", message, "the link is longer than 1 KB", "换用短一些的地址 / use a shorter one"
        )
    return url


def _declared(content: MasterContent, notes: Fitting) -> list[str]:
    """What has to be said about the content, as lines at its end."""
    declared, lines = content.declarations, []
    if declared.origin == "repost":
        notes.rule("declare:repost")
        lines.append(f"转载来源：{declared.source_url}" if declared.source_url else "本文为转载")
    if declared.ai_generated:
        notes.rule("declare:ai_generated")
        lines.append("本文含 AI 生成内容")
    if declared.advertisement:
        notes.rule("declare:advertisement")
    return lines


# --- news: an article ------------------------------------------------------------------------------------------------


def _news(content: MasterContent, words: _Words, notes: Fitting) -> _Made:
    images = {ref.media_id: ref for ref in content.media if ref.content_type.startswith("image/")}
    article = _article(_completed(content, words, notes), images, words, notes)
    inline = [notes.media(images[media_id], limits.INLINE) for media_id in article.pictures]
    cover = _cover(content, [images[media_id] for media_id in article.pictures], notes)
    _tell_unused(content, words, [*article.pictures, *(media.media_id for media in cover)], notes)
    length = _placed_length(article.html)
    size = len(article.html.encode()) + len(placeholders(article.html)) * limits.PLACED_PICTURE_URL
    if length > limits.CONTENT or size > limits.CONTENT_BYTES:
        notes.refuse(
            "content_too_long",
            words.body_field,
            f"正文连同排版 {length} 字符（{size} 字节），公众号要求少于 2 万字符、小于 1 MB",
            f"the body with its markup has {length} characters, under 20,000 fit",
            "缩短正文，或拆成几篇 / shorten the body or split it into several articles",
        )
    return _Made(article.text, article.html, (*inline, *cover), length, limits.CONTENT)


def _completed(content: MasterContent, words: _Words, notes: Fitting) -> str:
    """The Markdown body with what has to be added: the key message, unplaced pictures, declarations."""
    body = words.body
    said = "\n".join((words.title, words.digest, words.speak(strip_markdown(body))))
    if not key_message_survives(said, words.key_message):
        notes.rule("key_message:inserted")
        body = f"**{as_markdown(words.key_message)}**\n\n{body}"
    if words.advertisement:
        body = f"【{words.speak('广告')}】\n\n{body}"
    unplaced = [ref for ref in content.media if ref.role == "inline" and f"media:{ref.media_id}" not in body]
    if unplaced and not words.by_hand:
        notes.rule("pictures:appended")
        body += "".join(f"\n\n![{as_markdown(ref.alt)}](media:{ref.media_id})" for ref in unplaced)
    return body + "".join(f"\n\n{as_markdown(line)}" for line in words.tail)


def _article(markdown: str, images: dict[str, MediaRef], words: _Words, notes: Fitting) -> Article:
    """Styled where that fits, plain where only plain HTML does."""
    speak = str if words.by_hand else words.speak
    rules = ArticleRules(ARTICLE_CSS, LINK_HOSTS, PICTURE_HOSTS, speak=speak)
    article = render_article(markdown, images, rules)
    if _placed_length(article.html) > limits.CONTENT:
        notes.rule("style:plain_to_fit")
        article = render_article(markdown, images, replace(rules, css=""))
    else:
        notes.rule("style:inlined")
    if article.footnotes:
        notes.rule("links:footnotes")
    for url in article.foreign_pictures:
        notes.drop(f"picture:{url[:100]}", "公众号会过滤外站图片，已去掉；请作为素材（media）提供")
    for media_id in article.unknown_pictures:
        notes.refuse(
            "picture_unknown",
            words.body_field,
            f"正文引用了素材 media:{media_id}，但 media 中没有这张图片",
            f"the body shows media:{media_id}, which is not among the pictures in media",
            "补上这张图片，或删去引用 / add the picture or remove the reference",
        )
    return article


def _placed_length(article_html: str) -> int:
    """Characters once every placeholder has been replaced by an address."""
    return width(article_html) + limits.PLACED_PICTURE_URL * len(placeholders(article_html))


def _cover(content: MasterContent, inline: list[MediaRef], notes: Fitting) -> tuple[DraftMedia, ...]:
    covers = [ref for ref in content.media if ref.role == "cover"]
    for ref in covers[1:]:
        notes.drop(f"media:{ref.media_id}", "公众号文章只有一张封面，使用第一张")
    if not covers and inline:
        notes.rule("cover:first_inline")
    for ref in (covers or inline)[:1]:
        return (notes.media(ref, limits.COVER),)
    notes.refuse(
        "cover_missing",
        "media",
        "公众号文章必须有封面，内容里没有封面也没有正文图片",
        "an article needs a cover; there is neither a cover nor an inline picture",
        "添加一张 role: cover 的图片 / add a picture with role: cover",
    )
    return ()


def _tell_unused(content: MasterContent, words: _Words, used: list[str], notes: Fitting) -> None:
    for ref in content.media:
        if ref.role == "video":
            notes.drop(f"media:{ref.media_id}", "发布接口不能嵌入自己的视频，公众号只发图文")
        elif ref.role in ("inline", "gallery") and ref.media_id not in used:
            notes.drop(f"media:{ref.media_id}", "正文没有用到这张图片")
    if words.topics:
        notes.drop("topics", "公众号文章没有话题标签")


# --- newspic: a picture post -----------------------------------------------------------------------------------------


def _newspic(content: MasterContent, words: _Words, notes: Fitting) -> _Made:
    notes.rule("text:plain")
    text = _caption(words, notes)
    pictures = [ref for ref in content.media if ref.role == "gallery"]
    pictures = pictures or [ref for ref in content.media if ref.role in ("inline", "cover")]
    if not pictures:
        way_out = "添加 role: gallery 的图片 / add pictures with role: gallery"
        notes.refuse("pictures_missing", "media", "图片消息至少要一张图片", "a picture post needs a picture", way_out)
    for ref in pictures[limits.NEWSPIC_PICTURES :]:
        notes.drop(f"media:{ref.media_id}", f"图片消息最多 {limits.NEWSPIC_PICTURES} 张图片")
    media = tuple(notes.media(ref, limits.IMAGE) for ref in pictures[: limits.NEWSPIC_PICTURES])
    return _Made(text, "", media, width(text), limits.NEWSPIC_TEXT)


def _caption(words: _Words, notes: Fitting) -> str:
    """Plain words, whole sentences; what has to stand (key message, declarations, address) has its room kept."""
    whole = strip_markdown(words.body) if words.by_hand else words.speak(strip_markdown(words.body))
    before = [f"【{words.speak('广告')}】"] if words.advertisement else []
    after = [" ".join(f"#{topic}" for topic in words.topics if topic), *words.tail, words.source_url]
    room = limits.NEWSPIC_TEXT - sum(width(line) + 1 for line in (*before, *after) if line)
    kept = _leading(whole, room)
    if not key_message_survives(f"{words.title}\n{kept}", words.key_message):
        notes.rule("key_message:inserted")
        before.append(words.key_message)
        room -= width(words.key_message) + 1
        kept = _leading(whole, room)
    if kept != whole:
        _tell_cut(whole, kept, room, words, notes)
    return "\n".join(line for line in (*before, kept, *after) if line)


def _leading(text: str, room: int) -> str:
    """The leading sentences that fit, else as much of the first as does."""
    if width(text) <= room:
        return text
    kept = ""
    for line in text.splitlines():
        for place, sentence in enumerate(sentences(line)):
            longer = kept + ("\n" if place == 0 and kept else "") + sentence
            if width(longer) > room:
                return kept or truncate(text, max(room, 0), width)
            kept = longer
    return kept


def _tell_cut(whole: str, kept: str, room: int, words: _Words, notes: Fitting) -> None:
    if room < 0:
        notes.refuse(
            "key_message_does_not_fit",
            "key_message",
            f"核心信息、话题和链接合计超过图片消息的 {limits.NEWSPIC_TEXT} 字",
            "key message, topics and link do not fit together",
            "缩短 key_message 或减少话题 / shorten key_message or use fewer topics",
        )
    elif words.by_hand:
        message = f"人工稿有 {width(whole)} 字，图片消息还可容纳 {room} 字"
        way_out = f"缩短到 {room} 字以内 / shorten to {room}"
        notes.refuse("content_too_long", words.body_field, message, "the human text is too long", way_out)
    else:
        notes.rule("text:shortened")
        notes.drop("body", f"正文 {width(whole)} 字，图片消息只留得下开头 {width(kept)} 字")
