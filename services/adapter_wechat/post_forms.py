"""The two forms of a WeChat post, made of words that fit: the article and the picture post with its caption. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.events.content import MasterContent, MediaRef
from schemas.events.placement import DraftMedia
from services.adapter.localising.article import (
    Article,
    ArticleRules,
    as_markdown,
    is_local,
    placeholders,
    render_article,
    styled,
)
from services.adapter.localising.fitting import Fitting
from services.adapter.localising.markdown import read
from services.adapter.localising.plain_words import captioned, plain_words
from services.adapter.localising.text import key_message_survives, sentences, truncate
from services.adapter_wechat import limits
from services.adapter_wechat.settings import ARTICLE_CSS, INHERITED_STYLE, LEAN_CSS

LINK_HOSTS = ("mp.weixin.qq.com",)
# From the fullest to the leanest: the first that fits is taken.
_STYLES = ((ARTICLE_CSS, "", "style:inlined"), (LEAN_CSS, INHERITED_STYLE, "style:inherited_to_fit"))
PICTURE_HOSTS = ("mmbiz.qpic.cn", "mmbiz.qlogo.cn")
Speak = Callable[[str], str]


def width(text: str) -> int:
    """Length as the platform may count it at worst: what lies beyond the first Unicode plane as two. [assumption]"""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class FittedWords:
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
class MadePost:
    """The body in its form."""

    text: str
    html: str
    media: tuple[DraftMedia, ...]
    length: int
    limit: int
    hidden: str = ""

    @property
    def readable(self) -> str:
        """Every word that a reader may come to see, with what stands behind pictures."""
        return f"{self.text}\n{self.hidden}"


def news(content: MasterContent, words: FittedWords, notes: Fitting) -> MadePost:
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
    return MadePost(article.text, article.html, (*inline, *cover), length, limits.CONTENT, article.hidden_words)


def _completed(content: MasterContent, words: FittedWords, notes: Fitting) -> str:
    """The Markdown body with what has to be added: the key message, unplaced pictures, declarations."""
    body = words.body
    document = read(body)
    notes.heed(document, words.body_field)
    said = "\n".join((words.title, words.digest, words.speak(plain_words(document))))
    shown = {address for _, address in document.pictures()}
    for line, address in document.pictures():
        if is_local(address):
            _refuse_local(line, address, words, notes)
    if not key_message_survives(said, words.key_message):
        notes.rule("key_message:inserted")
        body = f"**{as_markdown(words.key_message)}**\n\n{body}"
    if words.advertisement:
        body = f"【{words.speak('广告')}】\n\n{body}"
    unplaced = [ref for ref in content.media if ref.role == "inline" and f"media:{ref.media_id}" not in shown]
    if unplaced and not words.by_hand:
        notes.rule("pictures:appended")
        body += "".join(f"\n\n![{as_markdown(ref.alt)}](media:{ref.media_id})" for ref in unplaced)
    return body


def _article(markdown: str, images: dict[str, MediaRef], words: FittedWords, notes: Fitting) -> Article:
    """Styled where that fits, plain where only plain HTML does."""
    speak = str if words.by_hand else words.speak
    plain = render_article(markdown, images, ArticleRules("", LINK_HOSTS, PICTURE_HOSTS, speak=speak, tail=words.tail))
    article, rule = plain, "style:plain_to_fit"
    for css, inherited, name in _STYLES:
        tried = styled(plain, css, inherited)
        if _placed_length(tried.html) <= limits.CONTENT:
            article, rule = tried, name
            break
    else:
        notes.drop("style", "带样式的正文超过公众号的 2 万字符，全部样式已去掉；缩短或拆成几篇可以保留")
    notes.rule(rule)
    for url in article.unlinked:
        notes.drop(f"link:{url[:100]}", "公众号文章里点不到这个地址（页内、相对地址或空链接），只留下文字")
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


def _refuse_local(line: int, address: str, words: FittedWords, notes: Fitting) -> None:
    notes.refuse(
        "picture_not_declared",
        words.body_field,
        f"正文第 {line} 行的图片 {address[:100]} 不是网址，也没有在 media 里声明",
        f"the picture {address[:100]} in line {line} of the body is no web address and not declared in media",
        "在 media 里声明这个文件（role: inline），正文里写 media:编号 / declare the file in media and write media:id",
    )


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


def _tell_unused(content: MasterContent, words: FittedWords, used: list[str], notes: Fitting) -> None:
    for ref in content.media:
        if ref.role == "video":
            notes.drop(f"media:{ref.media_id}", "发布接口不能嵌入自己的视频，公众号只发图文")
        elif ref.role in ("inline", "gallery") and ref.media_id not in used:
            notes.drop(f"media:{ref.media_id}", "正文没有用到这张图片")
    if words.topics:
        notes.drop("topics", "公众号文章没有话题标签")


def newspic(content: MasterContent, words: FittedWords, notes: Fitting) -> MadePost:
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
    return MadePost(text, "", media, width(text), limits.NEWSPIC_TEXT)


def _caption(words: FittedWords, notes: Fitting) -> str:
    """Plain words, whole sentences; what has to stand (key message, declarations, address) has its room kept."""
    plain = captioned(words.body, notes, words.body_field)
    whole = plain if words.by_hand else words.speak(plain)
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


def _tell_cut(whole: str, kept: str, room: int, words: FittedWords, notes: Fitting) -> None:
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
