"""Master content → Douyin draft: a caption with `#topics` and one video or a set of pictures. Pure and deterministic.

Decides what is chosen, shortened, dropped and refused. `fields` of the draft is sent unchanged.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from schemas.events.content import MasterContent, MediaRef, Target, Variant
from schemas.events.placement import Draft, DraftMedia
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised, MediaLimit
from services.adapter.localising.lexicon import check, lexicon_version
from services.adapter.localising.plain_words import captioned
from services.adapter.localising.report import Report, draft_media
from services.adapter.localising.text import (
    MENTION,
    URL,
    fingerprint,
    key_message_survives,
    sentences,
    to_script,
)
from services.adapter_douyin import limits
from services.adapter_douyin.limits import caption_length

RULES_VERSION = "douyin-1"
AD_LABEL = "【广告】"
AI_LABEL = "本内容由 AI 生成"
MENTION_OPTION = "mention."

_WEIBO_TOPIC = re.compile(r"(?<![A-Za-z0-9])#([^#\s]{1,40})#")
_NOT_IN_TOPIC = re.compile(r"[^\w]+")
_SPACES = re.compile(r"[ \t]+")


def localise(content: MasterContent, target: Target, account: Account) -> Localised:
    """The draft for one account, or all reasons for refusing the content."""
    report = Report()
    variant = content.variant_for("douyin", target.account)
    hand_over = account.way == "h5"
    form = "video" if content.kind == "video" or _only_video(content) else "pictures"
    media = _media(content, form, report, hand_over=hand_over)
    topics = _topics(content, variant, report, account)
    limit = _limit(account)
    words = _words(content, variant, account, limit, topics, report)
    caption = words if hand_over else _joined(words, topics)
    if not words and not any(refusal.field.startswith("variants") for refusal in report.refusals):
        report.refuse(
            "empty_text", "title", "没有可用的文案", "there are no words", "填写 title 或 summary / add words"
        )
    _check_words(content, variant, caption, report)
    if report.refusals:
        return Localised(None, tuple(report.refusals))
    return Localised(
        Draft(
            platform="douyin",
            account=target.account,
            form=form,
            title=content.title,
            text=caption,
            fields=_h5_fields(form, words, topics, media) if hand_over else _fields(caption, account, report),
            media=media,
            fingerprint=fingerprint(caption),
            rules_version=f"{RULES_VERSION}+lexicon-{lexicon_version()}",
            rules_applied=tuple(report.rules),
            dropped=tuple(report.dropped),
            warnings=tuple(report.warnings),
            length_used=caption_length(caption),
            length_limit=limit,
        )
    )


# --- words -----------------------------------------------------------------------------------------------------------


def _limit(account: Account) -> int:
    if account.way == "h5":
        return int(account.options.get("h5_title_max", limits.H5_TITLE_MAX))
    return int(account.options.get("caption_max", limits.CAPTION_MAX))


def _words(
    content: MasterContent,
    variant: Variant | None,
    account: Account,
    limit: int,
    topics: list[str],
    report: Report,
) -> str:
    """The caption without its topics. Drops topics from the end before it refuses a caption that is too long."""
    written = variant.text if variant else None
    suffix = _labels(content, report)
    if written is not None:
        report.rules.append("human_variant")
        required = _with_key_message(written.strip(), content.key_message, account, report)
        optional: list[str] = []
    else:
        required, optional = _generated(content, variant, account, report)
    if content.declarations.advertisement and "广告" not in required:
        required = f"{AD_LABEL}{required}"
        report.rules.append("advertisement_label")
    fixed = "\n".join(part for part in (required, *suffix) if part)
    while topics and account.way != "h5" and caption_length(_joined(fixed, topics)) > limit:
        report.drop(f"#{topics.pop()}", f"文案上限 {limit} 字，放不下")
    if caption_length(fixed) > limit:
        where = "variants.text" if written is not None else "title"
        used = caption_length(fixed)
        report.refuse(
            "text_too_long",
            where,
            f"文案 {used} 字，超过 {limit} 字（含 key_message 与必须的标注）",
            f"caption has {used} characters, the limit is {limit}",
            f"缩短到 {limit} 字以内 / shorten it",
        )
        return fixed
    room = limit - caption_length(fixed if account.way == "h5" else _joined(fixed, topics))
    return "\n".join(part for part in (required, _fitting(optional, room, report), *suffix) if part)


def _generated(
    content: MasterContent, variant: Variant | None, account: Account, report: Report
) -> tuple[str, list[str]]:
    """(required text, optional sentences that follow as space allows), from the master content."""
    title = (variant.title if variant and variant.title is not None else content.title).strip()
    body = (variant.body if variant and variant.body is not None else content.body) or ""
    report.rules.append("caption_from_master")
    if content.link:
        report.drop("link", "抖音文案里的网址不可点击，还可能影响审核")
    summary = sentences(_without_urls(content.summary, report))
    more = [*summary, *(sentence for sentence in _body_sentences(body, report) if sentence not in summary)]
    words = _tidy(_without_urls(title, report), report)
    more = [_tidy(sentence, report) for sentence in more]
    if not key_message_survives(words, content.key_message):
        saying = next((sentence for sentence in more if key_message_survives(sentence, content.key_message)), None)
        report.rules.append("key_message_sentence_first" if saying else "key_message_inserted")
        words = f"{words}\n{saying or content.key_message}".strip()
    script = account.script
    converted = to_script(words, script)
    if converted != words or any(to_script(sentence, script) != sentence for sentence in more):
        report.rules.append(f"script_{script}")
    return converted, [to_script(sentence, script) for sentence in more if sentence not in words]


def _body_sentences(body: str, report: Report) -> tuple[str, ...]:
    if not body.strip():
        return ()
    report.rules.append("markdown_to_plain_text")
    return sentences(_without_urls(captioned(body, report, "body"), report))


def _fitting(optional: list[str], room: int, report: Report) -> str:
    """Whole sentences in order while they fit; the rest is dropped. No sentence is cut."""
    taken = ""
    for index, sentence in enumerate(optional):
        longer = f"{taken}{_between(taken, sentence)}{sentence}"
        if caption_length(longer) + 1 > room:
            report.drop("正文", f"其余 {len(optional) - index} 句放不下，只保留完整的前 {index} 句")
            break
        taken = longer
    return taken


def _between(text: str, sentence: str) -> str:
    """The separator: none after a Chinese sentence, a space after a Latin one, a line break after a heading."""
    if not text or text[-1] in "。！？…；”’』」）":
        return ""
    return " " if text[-1] in ".!?;" else "\n"


def _with_key_message(text: str, key_message: str, account: Account, report: Report) -> str:
    if _survives(text, key_message):
        return text
    report.rules.append("key_message_inserted")
    return f"{text}\n{to_script(key_message, account.script)}".strip()


def _survives(text: str, key_message: str) -> bool:
    """Whether the text contains the key message, in either script."""
    forms = (key_message, to_script(key_message, "simplified"), to_script(key_message, "traditional"))
    return any(key_message_survives(text, form) for form in forms)


def _labels(content: MasterContent, report: Report) -> list[str]:
    """The declarations that the law requires. The API has no field for them, so they go into the caption."""
    declared = content.declarations
    labels = []
    if declared.ai_generated:
        labels.append(AI_LABEL)
        report.rules.append("ai_label")
    if declared.origin == "repost":
        host = urlsplit(declared.source_url).hostname if declared.source_url else None
        labels.append(f"转载自 {host}" if host else "转载")
        report.rules.append("repost_label")
    return labels


def _without_urls(text: str, report: Report) -> str:
    if URL.search(text):
        report.drop("文中网址", "抖音文案里的网址不可点击，还可能影响审核")
        return URL.sub("", text)
    return text


def _tidy(text: str, report: Report) -> str:
    """`#话题#`, the form of Weibo, becomes `#话题 `: a topic has one hash, in front."""
    replaced = _WEIBO_TOPIC.sub(lambda match: f"#{_NOT_IN_TOPIC.sub('', match.group(1))} ", text)
    if replaced != text and "topic_hash_in_front_only" not in report.rules:
        report.rules.append("topic_hash_in_front_only")
    lines = [_SPACES.sub(" ", line).strip() for line in replaced.splitlines()]
    return "\n".join(line for line in lines if line)


def _topics(content: MasterContent, variant: Variant | None, report: Report, account: Account) -> list[str]:
    wanted = variant.topics if variant and variant.topics is not None else content.topics
    written = variant.text if variant and variant.text else ""
    topics: list[str] = []
    for topic in wanted:
        word = to_script(_NOT_IN_TOPIC.sub("", topic), account.script)
        if not word:
            report.drop(f"#{topic}", "话题里没有可用的文字")
        elif word not in topics and not re.search(rf"#{re.escape(word)}(?!\w)", written):
            topics.append(word)
    for extra in topics[limits.MAX_TOPICS :]:
        report.drop(f"#{extra}", f"最多 {limits.MAX_TOPICS} 个话题")
    return topics[: limits.MAX_TOPICS]


def _joined(words: str, topics: list[str]) -> str:
    """`text #a #b`, as on the publish page."""
    return " ".join(part for part in (words, *(f"#{topic}" for topic in topics)) if part)


def _check_words(content: MasterContent, variant: Variant | None, caption: str, report: Report) -> None:
    where = "variants.text" if variant and variant.text is not None else "title/summary/body"
    found = check({where: caption}, content.declarations.confirmed_words)
    report.warnings += found.warnings
    report.refusals += found.refusals
    if URL.search(caption):
        report.warnings.append("文案含网址：抖音里不可点击，还可能影响审核 / the caption has a URL")
    if caption and not _survives(caption, content.key_message):
        report.refuse(
            "key_message_lost",
            "key_message",
            "key_message 放不进文案",
            "the key message does not fit",
            "缩短 key_message 或标题 / shorten the key message or the title",
        )


# --- media -----------------------------------------------------------------------------------------------------------


def _only_video(content: MasterContent) -> bool:
    roles = {ref.role for ref in content.media}
    return content.kind == "notice" and "video" in roles and not roles & {"gallery", "inline"}


def _media(content: MasterContent, form: str, report: Report, *, hand_over: bool) -> tuple[DraftMedia, ...]:
    is_video = form == "video"
    chosen = _video_media(content, report, hand_over=hand_over) if is_video else _picture_media(content, report)
    for ref, limit in chosen:
        _check_media(content, ref, limit, report, hand_over=hand_over)
    return tuple(draft_media(ref, limit.use) for ref, limit in chosen)


def _video_media(content: MasterContent, report: Report, *, hand_over: bool) -> list[tuple[MediaRef, MediaLimit]]:
    videos = [ref for ref in content.media if ref.role == "video"]
    covers = [ref for ref in content.media if ref.role == "cover"]
    if not videos:
        report.refuse("no_video", "media", "视频作品没有视频文件", "no video", "加一个 role=video 的素材 / add a video")
        return []
    for extra in videos[1:]:
        report.drop(f"素材 {extra.media_id}", "一条抖音作品只能有一个视频")
    chosen = [(videos[0], limits.H5_VIDEO if hand_over else limits.VIDEO)]
    if covers and hand_over:
        report.drop(f"素材 {covers[0].media_id}", "由用户在抖音 App 里选封面")
    elif covers:
        chosen.append((covers[0], limits.COVER))
        report.rules.append("cover_as_custom_cover_image")
    report.rules.append("video_post")
    return chosen


def _picture_media(content: MasterContent, report: Report) -> list[tuple[MediaRef, MediaLimit]]:
    gallery = [ref for ref in content.media if ref.role == "gallery"]
    others = sorted((ref for ref in content.media if ref.role in ("cover", "inline")), key=lambda ref: ref.role)
    pictures = list({ref.sha256: ref for ref in reversed(gallery or others)}.values())[::-1]
    for ref in content.media:
        if ref.role == "video":
            report.drop(f"素材 {ref.media_id}", "图文作品不能带视频")
    if not pictures:
        report.refuse(
            "no_media",
            "media",
            "抖音作品必须有图片或视频，纯文字发不出去",
            "Douyin takes no post without a picture or video",
            "加一张图片（role=gallery 或 cover），或不投放抖音 / add a picture, or leave Douyin out",
        )
    for extra in pictures[limits.MAX_IMAGES :]:
        report.drop(f"素材 {extra.media_id}", f"图文作品最多 {limits.MAX_IMAGES} 张图片")
    report.rules.append("pictures_from_gallery" if gallery else "pictures_from_cover_and_inline")
    return [(ref, limits.IMAGE) for ref in pictures[: limits.MAX_IMAGES]]


def _check_media(content: MasterContent, ref: MediaRef, limit: MediaLimit, report: Report, *, hand_over: bool) -> None:
    where = f"media[{content.media.index(ref)}]"
    name = f"素材 {ref.media_id}"
    if ref.watermarked:
        report.refuse(
            "watermarked_media", f"{where}.watermarked", f"{name} 带品牌水印，抖音会限流或下架",
            "a watermark risks demotion or removal", "换成无水印版本 / use a rendition without watermark",
        )  # fmt: skip
    if ref.content_type not in limit.content_types:
        types = "、".join(limit.content_types)
        report.refuse(
            "media_type", f"{where}.content_type", f"{name} 的格式 {ref.content_type} 不被接受",
            f"content type {ref.content_type} is not accepted", f"转成 {types} / convert it",
        )  # fmt: skip
    if ref.size_bytes == 0 or (limit.max_bytes is not None and ref.size_bytes > limit.max_bytes):
        report.refuse(
            "media_size", f"{where}.size_bytes", f"{name} 有 {ref.size_bytes} 字节，须大于 0、不超过 {limit.max_bytes}",
            f"{ref.size_bytes} bytes, allowed are 1 to {limit.max_bytes}", "压缩或更换文件 / compress or replace it",
        )  # fmt: skip
    if limit.max_duration_s is not None and ref.duration_s is not None and ref.duration_s > limit.max_duration_s:
        report.refuse(
            "media_duration", f"{where}.duration_s",
            f"{name} 长 {ref.duration_s:g} 秒，上限 {limit.max_duration_s:g} 秒",
            f"{ref.duration_s:g} s, the limit is {limit.max_duration_s:g} s", "剪短视频 / cut it",
        )  # fmt: skip
    if hand_over and not ref.uri.startswith("https://"):
        report.refuse(
            "media_not_public", f"{where}.uri", f"{name} 不在公网 https 地址上，抖音 App 下载不到",
            "the app downloads the media itself, from a public https address",
            "改用公网 https 地址，或改用 server 方式的账号 / host it publicly",
        )  # fmt: skip
    if ref.role == "video":
        _advise_on_video(ref, name, report)


def _advise_on_video(ref: MediaRef, name: str, report: Report) -> None:
    if ref.duration_s is None:
        report.warnings.append(f"{name} 没有登记时长，超过 15 分钟会被平台拒绝 / duration unknown")
    if ref.width and ref.height:
        if ref.width > ref.height:
            report.warnings.append(f"{name} 是横屏，抖音推荐竖屏 / landscape, portrait is recommended")
        if min(ref.width, ref.height) < limits.RECOMMENDED_SHORT_SIDE:
            report.warnings.append(f"{name} 短边不足 720，画质会受影响 / below 720p")


# --- wire-ready fields -----------------------------------------------------------------------------------------------


def _fields(caption: str, account: Account, report: Report) -> dict[str, Any]:
    """The fields of the create call, without the uploaded ids."""
    fields: dict[str, Any] = {"text": caption, "private_status": 0}
    names = list(dict.fromkeys(match.removeprefix("@") for match in MENTION.findall(caption)))
    known = [account.options.get(f"{MENTION_OPTION}{name}") for name in names]
    at_users = [open_id for open_id in known if open_id]
    for name, open_id in zip(names, known, strict=True):
        if not open_id:
            report.warnings.append(f"@{name} 没有登记 open_id，只会显示为普通文字 / a plain word, not a mention")
    return {**fields, "at_users": at_users} if at_users else fields


def _h5_fields(form: str, words: str, topics: list[str], media: tuple[DraftMedia, ...]) -> dict[str, Any]:
    """The fields of the share link; the app downloads the media itself."""
    uris = [one.uri for one in media]
    fields: dict[str, Any] = {"title": words, "hashtag_list": topics}
    if form == "video":
        return {**fields, "video_path": uris[0], "share_to_publish": "1"}
    return {**fields, "image_path": uris[0]} if len(uris) == 1 else {**fields, "image_list_path": uris}
