from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events.content import Declarations, Target, Variant
from services.adapter_wechat import ADAPTER
from services.adapter_wechat.post_forms import width
from tests.adapter_wechat.samples import ACCOUNT, content, draft_of, gallery, picture, refusals

FAMILY = "👨‍👩‍👧‍👦"


def variant(**words: object) -> tuple[Variant, ...]:
    return (Variant(platform="wechat", **words),)  # type: ignore[arg-type]


def test_an_article_becomes_styled_html_with_placeholders_for_its_pictures() -> None:
    draft = draft_of(content())
    assert draft.form == "news"
    assert 'src="media:garden"' in draft.html
    assert "<h2 style=" in draft.html
    assert "<style" not in draft.html
    assert [(file.use, file.media_id) for file in draft.media] == [("inline", "garden"), ("cover", "cover")]
    assert draft.fields == {
        "article_type": "news",
        "title": "青禾春茶开园",
        "author": "青禾茶事",
        "digest": "头采明前茶三月二十日开采，一口喝到今年的春天。",
        "content_source_url": "https://www.qinghe.example/spring",
        "need_open_comment": 1,
        "only_fans_can_comment": 0,
    }
    assert (draft.length_limit, draft.length_used > len(draft.html)) == (19_999, True)


def test_outside_links_become_footnotes_because_the_platform_drops_them() -> None:
    draft = draft_of(content())
    assert "<a " not in draft.html
    assert "青禾官网<sup" in draft.html
    assert "https://www.qinghe.example/spring?from=a&amp;to=b" in draft.html
    assert "links:footnotes" in draft.rules_applied
    kept = draft_of(content(body="[上一篇](https://mp.weixin.qq.com/s/abc)"))
    assert '<a href="https://mp.weixin.qq.com/s/abc"' in kept.html


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("茶", "茶"),
        ("一" * 32, "一" * 32),
        ("一" * 33, "一" * 31 + "…"),
        ("  两  端\n空白 ", "两 端 空白"),
        ("#青禾春茶# @茶友 新品", "#青禾春茶# @茶友 新品"),
        ("官网 https://qinghe.example/a-long-address-indeed", "官网…"),
        ("🍵" * 16, "🍵" * 16),
        ("🍵" * 17, "🍵" * 15 + "…"),
        (FAMILY + "茶", FAMILY + "茶"),
        ("春" * 25 + FAMILY, "春" * 25 + "…"),
    ],
)
def test_titles(title: str, expected: str) -> None:
    draft = draft_of(content(title=title))
    assert width(draft.title) <= 32
    assert draft.title == expected
    if draft.title.endswith("…"):
        assert "title" in {dropped.what for dropped in draft.dropped}


@given(title=st.text(min_size=1).filter(lambda t: t.strip()), body=st.text())
@settings(max_examples=60, deadline=None)
def test_whatever_the_words_the_draft_fits_or_is_refused(title: str, body: str) -> None:
    outcome = ADAPTER.localise(
        content(title=title, body=body), Target(platform="wechat", account="qinghe-tea"), ACCOUNT
    )
    assert (outcome.draft is None) == bool(outcome.refusals)
    if outcome.draft is not None:
        assert width(outcome.draft.title) <= 32
        assert outcome.draft.length_used <= outcome.draft.length_limit
        msgspec.json.encode(outcome.draft)


def test_the_key_message_survives_even_where_nobody_wrote_it() -> None:
    said = draft_of(content(summary="", body="别的话。"))
    assert said.fields["digest"] == "一口喝到今年的春天"
    missing = draft_of(content(summary="开采了。", body="别的话。"))
    assert missing.text.startswith("一口喝到今年的春天")
    assert "key_message:inserted" in missing.rules_applied
    human = draft_of(content(variants=variant(body="人工稿。", digest="人工摘要"), summary=""))
    assert "一口喝到今年的春天" in human.html
    pictured = draft_of(gallery(key_message="只采一芽一叶", body="山。" * 600, summary=""))
    assert pictured.text.startswith("只采一芽一叶\n山。")
    assert pictured.length_used <= 1000


def test_a_long_digest_is_cut_and_a_long_author_left_out() -> None:
    draft = draft_of(content(summary="春" * 121, author="甲" * 17))
    assert len(str(draft.fields["digest"])) == 120
    assert "author" not in draft.fields
    assert {"digest", "author"} <= {dropped.what for dropped in draft.dropped}


def test_human_words_go_as_they_are_but_not_over_the_limits() -> None:
    draft = draft_of(content(variants=variant(title="人工标题", text="第一步：烧水\n1. *不是* 列表 <b>")))
    assert draft.title == "人工标题"
    assert "1. *不是* 列表 &lt;b&gt;" in draft.html
    found = refusals(content(variants=variant(title="长" * 33, digest="长" * 121, body="字" * 20_001)))
    assert {code: one.field for code, one in found.items()} == {
        "title_too_long": "variants.title",
        "digest_too_long": "variants.digest",
        "content_too_long": "variants.body",
    }
    assert set(refusals(gallery(variants=variant(text="字" * 1001)))) == {"content_too_long"}
    assert set(refusals(content(variants=variant(title=" ")))) == {"title_missing"}


def test_a_variant_for_another_account_is_not_ours() -> None:
    theirs = (Variant(platform="wechat", account="somebody", title="别人的"),)
    assert draft_of(content(variants=theirs)).title == "青禾春茶开园"


def test_styles_give_way_before_the_text_does() -> None:
    long = "\n\n".join("一芽一叶的春天。" for _ in range(900))
    draft = draft_of(content(body=long))
    assert "style=" not in draft.html
    assert "style:plain_to_fit" in draft.rules_applied
    assert set(refusals(content(body="春" * 20_000))) == {"content_too_long"}


def test_scripts_never_run_and_are_named() -> None:
    draft = draft_of(content(body='<script>alert(1)</script>\n\n<img src="media:garden" onload="alert(2)">'))
    assert "alert" not in draft.html
    assert any("<script>" in warning for warning in draft.warnings)
    assert 'src="media:garden"' in draft.html


def test_pictures_from_elsewhere_are_dropped_aloud_and_unknown_ones_refused() -> None:
    draft = draft_of(content(body="![x](https://elsewhere.example/a.png) 字 ![y](http://mmbiz.qpic.cn/a)"))
    assert "elsewhere.example" not in draft.html
    assert "http://mmbiz.qpic.cn/a" in draft.html
    assert "picture:https://elsewhere.example/a.png" in {dropped.what for dropped in draft.dropped}
    assert refusals(content(body="![x](media:nowhere)"))["picture_unknown"].field == "body"


def test_pictures_nobody_placed_are_appended_only_to_the_masters_words() -> None:
    assert 'src="media:garden"' in draft_of(content(body="没有图")).html
    human = draft_of(content(variants=variant(body="没有图")))
    assert "media:garden" not in human.html
    assert "media:garden" in {dropped.what for dropped in human.dropped}


def test_the_cover_is_the_declared_one_else_the_first_picture_else_none() -> None:
    both = draft_of(content(media=(picture("garden"), picture("c1", "cover"), picture("c2", "cover"))))
    assert [f.media_id for f in both.media if f.use == "cover"] == ["c1"]
    assert "media:c2" in {dropped.what for dropped in both.dropped}
    first = draft_of(content(media=(picture("garden"),)))
    assert [(f.use, f.media_id) for f in first.media] == [("inline", "garden"), ("cover", "garden")]
    assert "cover:first_inline" in first.rules_applied
    assert refusals(content(media=(), body="字"))["cover_missing"].field == "media"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"content_type": "image/webp"}, "media_type"),
        ({"content_type": "image/gif"}, "media_type"),
        ({"size_bytes": 1024 * 1024}, "media_too_large"),
        ({"size_bytes": 0}, "media_empty"),
    ],
)
def test_an_inline_picture_that_does_not_fit_is_refused(changes: dict[str, object], code: str) -> None:
    media = (picture("cover", "cover"), replace(picture("garden"), **changes))
    assert refusals(content(media=media))[code].field == "media.garden"


def test_inline_and_cover_have_limits_of_their_own() -> None:
    cover = picture("cover", "cover", content_type="image/gif", size_bytes=10 * 1024 * 1024)
    assert draft_of(content(media=(cover, replace(picture("garden"), size_bytes=1024 * 1024 - 1))))
    too_big = replace(cover, size_bytes=10 * 1024 * 1024 + 1)
    assert set(refusals(content(media=(too_big, picture("garden"))))) == {"media_too_large"}


def test_a_video_becomes_an_article_that_says_so() -> None:
    video = picture("clip", "video", content_type="video/mp4")
    draft = draft_of(content(kind="video", media=(video, picture("cover", "cover")), body="视频的故事。"))
    assert draft.form == "news"
    assert "media:clip" in {dropped.what for dropped in draft.dropped}
    assert [file.use for file in draft.media] == ["cover"]


def test_a_picture_post_is_plain_text_with_at_most_twenty_pictures() -> None:
    draft = draft_of(gallery(22, body="## 春山\n\n**春**茶 [官网](https://x.example)。"))
    assert (draft.form, draft.html) == ("newspic", "")
    assert len(draft.media) == 20
    assert "春山\n春茶 官网。" in draft.text
    assert "#青禾春茶 #明前茶" in draft.text
    assert [dropped.what for dropped in draft.dropped] == ["media:g-20", "media:g-21"]
    assert set(refusals(gallery(0))) == {"pictures_missing"}


def test_a_picture_post_keeps_whole_sentences() -> None:
    draft = draft_of(gallery(body="一口喝到今年的春天。" + "我们只采一芽一叶。" * 200))
    assert draft.length_used <= 1000
    body = draft.text.split("\n")[0]
    assert body.endswith("一芽一叶。")
    assert "text:shortened" in draft.rules_applied


def test_traditional_accounts_get_traditional_words_and_untouched_addresses() -> None:
    account = replace(ACCOUNT, script="traditional")
    draft = draft_of(content(body="头采的春茶，[官网](https://qinghe.example/头采)。![园](media:garden)"), account)
    assert "頭採的春茶" in draft.html
    assert "頭採明前茶" in str(draft.fields["digest"])
    assert "%E5%A4%B4%E9%87%87" in draft.html  # 头采, as it was
    assert "script:traditional" in draft.rules_applied
    human = draft_of(content(variants=variant(title="头采", body="头采")), account)
    assert human.title == "头采"


def test_what_the_law_wants_said_is_said() -> None:
    declared = Declarations(origin="repost", source_url="https://src.example/a", ai_generated=True, advertisement=True)
    draft = draft_of(content(declarations=declared, link=None))
    assert draft.text.startswith("【广告】")
    assert draft.text.endswith("转载来源：https://src.example/a\n本文含 AI 生成内容")
    assert draft.fields["content_source_url"] == "https://src.example/a"
    assert draft_of(gallery(declarations=declared)).text.startswith("【广告】")


def test_absolutes_are_reported_and_banned_words_refused() -> None:
    assert any("最佳" in warning for warning in draft_of(content(title="最佳春茶")).warnings)
    assert draft_of(content(body="第一次采茶，第一步烧水。")).warnings == ()
    assert refusals(content(body="这茶包治百病。"))["banned_word"].field == "body"


def test_all_problems_are_told_at_once() -> None:
    account = replace(ACCOUNT, way="shout", options={"level": "subscription", "comments": "maybe"})
    found = refusals(content(title=" ", link="ftp://x", media=(), body="![x](media:gone) 包治百病"), account)
    assert set(found) == {
        "way_unknown",
        "publish_not_permitted",
        "comments_option_unknown",
        "title_missing",
        "link_invalid",
        "picture_unknown",
        "cover_missing",
        "banned_word",
    }


def test_a_mass_send_is_the_same_article_and_says_that_it_is_sent_to_all() -> None:
    published, sent = draft_of(content()), draft_of(content(), replace(ACCOUNT, way="mass"))
    assert sent.fields["mass_send"] == {"filter": {"is_to_all": True}, "send_ignore_reprint": 0}
    assert {name: value for name, value in sent.fields.items() if name != "mass_send"} == published.fields
    assert (sent.html, sent.media) == (published.html, published.media)


def test_picture_posts_are_not_for_mass_sends() -> None:
    found = refusals(gallery(), replace(ACCOUNT, way="mass"))
    assert set(found) == {"pictures_not_for_mass"}


@pytest.mark.parametrize(("option", "expected"), [("open", (1, 0)), ("fans", (1, 1)), ("closed", (0, 0))])
def test_comments_are_opened_as_the_account_says(option: str, expected: tuple[int, int]) -> None:
    fields = draft_of(content(), replace(ACCOUNT, options={"comments": option})).fields
    assert (fields["need_open_comment"], fields["only_fans_can_comment"]) == expected


def test_the_same_content_gives_the_same_bytes_in_every_process() -> None:
    program = (
        "import msgspec, sys; from tests.adapter_wechat.samples import content, draft_of, gallery\n"
        "sys.stdout.buffer.write(b''.join(msgspec.json.encode(draft_of(c)) for c in (content(), gallery(5))))"
    )
    root = Path(__file__).parents[2]
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    here = b"".join(msgspec.json.encode(draft_of(one)) for one in (content(), gallery(5)))
    assert seen == {here}
