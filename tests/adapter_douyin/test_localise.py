"""What a master content becomes on Douyin, case by case, and everything that is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas.events.content import Declarations, MasterContent, Variant
from schemas.events.placement import Draft
from services.adapter.contract.accounts import Account
from services.adapter.contract.content import Localised
from services.adapter.localising.text import fingerprint
from services.adapter_douyin.limits import caption_length
from services.adapter_douyin.localise import localise

Content = Callable[..., MasterContent]
FAMILY = "👨‍👩‍👧‍👦"


def localised(master: MasterContent, account: Account) -> Localised:
    return localise(master, master.targets[0], account)


def draft_of(master: MasterContent, account: Account) -> Draft:
    made = localised(master, account)
    assert made.draft is not None, made.refusals
    return made.draft


def refused(master: MasterContent, account: Account) -> dict[str, str]:
    """code → field, of a content that has no draft."""
    made = localised(master, account)
    assert made.draft is None
    assert all(one.message and one.message_en and one.way_out for one in made.refusals)
    return {one.code: one.field for one in made.refusals}


@pytest.mark.parametrize(
    ("changes", "caption"),
    [
        ({}, "明前龙井上新\n清明前手采，一芽一叶。 #春茶 #龙井"),
        ({"topics": ()}, "明前龙井上新\n清明前手采，一芽一叶。"),
        ({"key_message": "明前龙井", "summary": ""}, "明前龙井上新 #春茶 #龙井"),
        ({"key_message": "限量三百斤", "summary": ""}, "明前龙井上新\n限量三百斤 #春茶 #龙井"),
        ({"topics": ("#春茶#", "龙 井", "春茶", "！")}, "明前龙井上新\n清明前手采，一芽一叶。 #春茶 #龙井"),
        ({"title": f"一家人{FAMILY}喝茶"}, f"一家人{FAMILY}喝茶\n清明前手采，一芽一叶。 #春茶 #龙井"),
        (
            {"summary": "清明前手采。看这里 https://qinghe.example/a?b=1 吧。"},
            "明前龙井上新\n清明前手采。\n看这里 吧。 #春茶 #龙井",
        ),
        ({"title": "#明前茶#上新", "topics": ()}, "#明前茶 上新\n清明前手采，一芽一叶。"),
        (
            {"body": "## 产地\n\n**狮峰**山上。\n\n![图](media:p1)\n\nHello there. Tea time."},
            "明前龙井上新\n清明前手采，一芽一叶。\n产地\n狮峰山上。Hello there. Tea time. #春茶 #龙井",
        ),
    ],
)
def test_captions(content: Content, account: Account, changes: dict[str, Any], caption: str) -> None:
    draft = draft_of(content(**changes), account)
    assert draft.text == caption
    assert draft.fields["text"] == caption
    assert draft.length_used == caption_length(caption) <= draft.length_limit == 1000


def test_the_brand_link_is_dropped_and_said_to_be(content: Content, account: Account) -> None:
    draft = draft_of(content(link="https://qinghe.example/tea"), account)
    assert "https" not in draft.text
    assert "link" in [one.what for one in draft.dropped]


def test_a_long_body_is_cut_between_sentences_and_keeps_message_and_topics(content: Content, account: Account) -> None:
    draft = draft_of(content(body="山里的茶要等一场雨。" * 200 + "尾句是独特的。"), account)
    assert draft.length_used <= 1000
    assert draft.text.endswith("。 #春茶 #龙井")
    assert "清明前手采" in draft.text
    assert "正文" in [one.what for one in draft.dropped]


def test_emoji_count_as_two_so_that_no_way_of_counting_is_exceeded(content: Content, account: Account) -> None:
    exact = content(summary="", topics=(), key_message="", title="😀" * 500)
    assert draft_of(exact, account).length_used == 1000
    assert refused(replace(exact, title="😀" * 501), account) == {"text_too_long": "title"}


def test_topics_give_way_before_the_words_do(content: Content, account: Account) -> None:
    draft = draft_of(content(summary="", key_message="", title="茶" * 996, topics=("春", "夏", "秋")), account)
    assert draft.text == "茶" * 996 + " #春"
    assert [one.what for one in draft.dropped] == ["#秋", "#夏"]


def test_a_human_variant_is_sent_as_written_with_its_own_topics(content: Content, account: Account) -> None:
    variant = Variant(platform="douyin", text="家人们，清明前手采的 #龙井 到了！", topics=("春茶", "龙井"))
    draft = draft_of(content(variants=(variant,)), account)
    assert draft.text == "家人们，清明前手采的 #龙井 到了！ #春茶"
    assert "human_variant" in draft.rules_applied


def test_a_human_variant_without_the_key_message_gets_it(content: Content, account: Account) -> None:
    draft = draft_of(content(variants=(Variant(platform="douyin", text="来喝茶", topics=()),)), account)
    assert draft.text == "来喝茶\n清明前手采"


def test_a_human_variant_does_not_override_the_limit(content: Content, account: Account) -> None:
    long = content(variants=(Variant(platform="douyin", text="清明前手采" + "茶" * 1000),))
    assert refused(long, account) == {"text_too_long": "variants.text"}


def test_a_variant_of_another_account_does_not_apply(content: Content, account: Account) -> None:
    draft = draft_of(content(variants=(Variant(platform="douyin", account="other", text="别家"),)), account)
    assert "别家" not in draft.text


def test_traditional_script_by_account_setting(content: Content, account: Account) -> None:
    draft = draft_of(content(), replace(account, script="traditional"))
    assert draft.text == "明前龍井上新\n清明前手採，一芽一葉。 #春茶 #龍井"
    assert "script_traditional" in draft.rules_applied


def test_mentions_need_a_declared_open_id(content: Content, account: Account) -> None:
    known = replace(account, options={"mention.茶老师": "open-7"})
    draft = draft_of(content(title="请教 @茶老师 和 @陌生人"), known)
    assert draft.fields["at_users"] == ["open-7"]
    assert any("@陌生人" in warning for warning in draft.warnings)


def test_labels_that_the_law_wants_stand_in_the_caption(content: Content, account: Account) -> None:
    said = Declarations(origin="repost", source_url="https://news.example/1", ai_generated=True, advertisement=True)
    draft = draft_of(content(declarations=said), account)
    assert draft.text.startswith("【广告】明前龙井上新")
    assert "本内容由 AI 生成\n转载自 news.example #春茶" in draft.text


def test_absolutes_are_reported_and_banned_words_refused(content: Content, account: Account) -> None:
    assert any("最佳" in warning for warning in draft_of(content(title="最佳龙井"), account).warnings)
    assert "banned_word" in refused(content(title="包治百病的茶"), account)


# --- media -----------------------------------------------------------------------------------------------------------


def test_an_article_becomes_a_picture_post_of_its_cover_and_inline_pictures(
    content: Content, account: Account, library: Any
) -> None:
    media = (
        library.add("i1", b"inline", role="inline"),
        library.add("k1", b"cover", role="cover"),
        library.add("i2", b"inline", role="inline"),
        library.add("v1", b"video", role="video", content_type="video/mp4"),
    )
    draft = draft_of(content(kind="article", media=media), account)
    assert draft.form == "pictures"
    assert [one.media_id for one in draft.media] == ["k1", "i1"]
    assert "素材 v1" in [one.what for one in draft.dropped]


def test_a_video_takes_its_cover_along_and_only_one_video(content: Content, account: Account, library: Any) -> None:
    media = (
        library.add("k1", b"cover", role="cover"),
        library.add("v1", b"one", role="video", content_type="video/mp4", duration_s=9.0, width=1280, height=640),
        library.add("v2", b"two", role="video", content_type="video/mp4"),
    )
    draft = draft_of(content(kind="video", media=media), account)
    assert [(one.media_id, one.use) for one in draft.media] == [("v1", "video"), ("k1", "cover")]
    assert "素材 v2" in [one.what for one in draft.dropped]
    assert any("横屏" in warning for warning in draft.warnings)
    assert any("720" in warning for warning in draft.warnings)


def test_more_pictures_than_allowed_are_dropped_and_said_to_be(
    content: Content, account: Account, library: Any
) -> None:
    media = tuple(library.add(f"p{n}", f"picture {n}".encode()) for n in range(32))
    draft = draft_of(content(media=media), account)
    assert len(draft.media) == 30
    assert [one.what for one in draft.dropped] == ["素材 p30", "素材 p31"]


@pytest.mark.parametrize("kind", ["notice", "article", "pictures"])
def test_words_alone_are_refused_with_a_way_out(content: Content, account: Account, kind: str) -> None:
    made = localised(content(kind=kind, media=()), account)
    (refusal,) = made.refusals
    assert (refusal.code, refusal.field) == ("no_media", "media")
    assert "加一张图片" in refusal.way_out


def test_a_notice_with_a_picture_or_a_video_is_posted(content: Content, account: Account, library: Any) -> None:
    assert draft_of(content(kind="notice"), account).form == "pictures"
    video = library.add("v1", b"v", role="video", content_type="video/mp4")
    assert draft_of(content(kind="notice", media=(video,)), account).form == "video"


@pytest.mark.parametrize(
    ("described", "code", "field"),
    [
        ({"watermarked": True}, "watermarked_media", "media[0].watermarked"),
        ({"content_type": "video/x-msvideo"}, "media_type", "media[0].content_type"),
        ({"duration_s": 900.5}, "media_duration", "media[0].duration_s"),
    ],
)
def test_media_that_do_not_fit_are_refused(
    content: Content, account: Account, library: Any, described: dict[str, Any], code: str, field: str
) -> None:
    video = library.add("v1", b"v", **{"role": "video", "content_type": "video/mp4", **described})
    assert refused(content(kind="video", media=(video,)), account) == {code: field}


@pytest.mark.parametrize(("kind", "size"), [("video", 4 * 1024**3 + 1), ("pictures", 20 * 1024**2 + 1), ("video", 0)])
def test_media_of_a_wrong_size_are_refused(
    content: Content, account: Account, library: Any, kind: str, size: int
) -> None:
    described = {"role": "video", "content_type": "video/mp4"} if kind == "video" else {}
    media = replace(library.add("m1", b"m", **described), size_bytes=size)
    assert refused(content(kind=kind, media=(media,)), account) == {"media_size": "media[0].size_bytes"}


def test_all_problems_are_told_at_once(content: Content, account: Account, library: Any) -> None:
    bad = library.add("v1", b"v", role="video", content_type="video/avi", watermarked=True, duration_s=1000.0)
    found = refused(content(kind="video", media=(bad,), title="茶" * 1001), account)
    assert set(found) == {"watermarked_media", "media_type", "media_duration", "text_too_long"}


def test_a_content_without_any_word_is_refused(content: Content, account: Account) -> None:
    bare = content(title=" ", summary="", key_message="", topics=())
    assert refused(bare, account) == {"empty_text": "title"}


# --- H5 --------------------------------------------------------------------------------------------------------------


def test_h5_wants_public_media_and_short_words(content: Content, account: Account, library: Any) -> None:
    by_hand = replace(account, way="h5")
    assert refused(content(), by_hand) == {"media_not_public": "media[1].uri"}
    picture = library.add("p1", b"x", uri="https://cdn.qinghe.example/1.jpg")
    assert refused(content(media=(picture,), title="茶" * 60), by_hand) == {"text_too_long": "title"}
    draft = draft_of(content(media=(picture,)), by_hand)
    assert draft.fields == {
        "title": "明前龙井上新\n清明前手采，一芽一叶。",
        "hashtag_list": ["春茶", "龙井"],
        "image_path": "https://cdn.qinghe.example/1.jpg",
    }


# --- determinism -----------------------------------------------------------------------------------------------------

PROGRAM = """
import sys, msgspec
from schemas.events.content import MasterContent
from services.adapter.contract.accounts import Account
from services.adapter_douyin.localise import localise
master = msgspec.json.decode(sys.stdin.buffer.readline(), type=MasterContent)
account = msgspec.json.decode(sys.stdin.buffer.readline(), type=Account)
sys.stdout.buffer.write(msgspec.json.encode(localise(master, master.targets[0], account).draft))
"""


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_draft_is_the_same_bytes_in_every_process(content: Content, account: Account, hash_seed: str) -> None:
    master = content(body="山里的茶。" * 300, declarations=Declarations(ai_generated=True), title="@茶老师 @别人 上新")
    here = msgspec.json.encode(draft_of(master, account))
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=msgspec.json.encode(master) + b"\n" + msgspec.json.encode(account) + b"\n",
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    assert there.stdout == here
    assert draft_of(master, account).fingerprint == fingerprint(draft_of(master, account).text)
