"""Checks of a content request in itself: its texts, its identity and versions, its human variants. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from services.publisher.api.problems import Problem, problem
from services.publisher.api.requests import ContentRequest
from services.publisher.content.addresses import address_problem
from services.publisher.content.known import Known

MOST_WORK = 2_000_000  # characters × accounts; about ten seconds of one core


def texts(request: ContentRequest) -> Iterator[Problem]:
    for field in ("title", "key_message"):
        if not getattr(request, field).strip():
            yield problem(field, "blank", "不能只有空白", "must not be blank", "请填写文字 / write something")
    for number, topic in enumerate(request.topics):
        if "#" in topic or not topic.strip():
            way_out = "请只写话题本身，如 冷泡茶 / write the bare word"
            yield problem(
                f"topics[{number}]", "topic_with_hash", "话题不能含 # 或为空白", "a topic has no # in it", way_out
            )
    yield from address_problem("link", request.link)
    yield from address_problem("declarations.source_url", request.declarations.source_url)
    if request.declarations.origin == "repost" and not request.declarations.source_url:
        yield problem(
            "declarations.source_url",
            "repost_without_source",
            "转载必须注明来源",
            "a repost names its source",
            "请填写原文地址 / give the address of the original",
        )


def workload(request: ContentRequest, accounts: Collection[tuple[str, str]]) -> Iterator[Problem]:
    """Rewriting for a platform costs time per character and account; what would hold up others is refused."""
    characters = len(request.title) + len(request.summary) + len(request.body)
    characters += sum(len(one.text or "") + len(one.body or "") for one in request.variants)
    work = characters * len(accounts)
    if work > MOST_WORK:
        yield problem(
            "targets",
            "too_much_work",
            f"{characters} 个字符要为 {len(accounts)} 个账号改写，共 {work}，上限 {MOST_WORK}",
            f"{characters} characters for {len(accounts)} accounts are {work}, at most {MOST_WORK}",
            "请缩短文字，或把账号分到几条内容里 / shorten the text, or divide the accounts among several contents",
        )


def identity(request: ContentRequest, known: Known) -> Iterator[Problem]:
    if known.campaign_brand is None:
        yield problem(
            "campaign_id",
            "unknown_campaign",
            f"活动“{request.campaign_id}”还没有定义",
            f"the campaign {request.campaign_id!r} is not defined",
            "请先 POST /campaigns 说明目标 / define it first: POST /campaigns",
        )
    elif request.brand_id not in (None, known.campaign_brand):
        yield problem(
            "brand_id",
            "brand_of_another_campaign",
            f"活动属于品牌“{known.campaign_brand}”，不是“{request.brand_id}”",
            f"the campaign belongs to the brand {known.campaign_brand!r}",
            "请去掉 brand_id 或改为活动的品牌 / leave it out or use the campaign's brand",
        )
    if not known.versions:
        return
    newest = known.versions[-1]
    if request.version <= newest.version:
        yield problem(
            "version",
            "version_not_newer",
            f"已接收到第 {newest.version} 版",
            f"version {newest.version} has been accepted already",
            f"请用 {newest.version + 1} / use {newest.version + 1}",
        )
    for field in ("campaign_id", "kind"):
        before = getattr(newest, field)
        if getattr(request, field) != before:
            yield problem(
                field,
                "identity_changed",
                f"新版本不能改变 {field}（原为 {before}），否则就是另一条内容",
                f"a new version cannot change {field} (was {before}): it would be another content",
                "请改回，或使用新的 content_id / restore it or use a new content_id",
            )


def variants(request: ContentRequest) -> Iterator[Problem]:
    seen: set[tuple[str, str | None]] = set()
    for number, variant in enumerate(request.variants):
        field, key = f"variants[{number}]", (variant.platform, variant.account)
        if key in seen:
            yield problem(
                field,
                "duplicate_variant",
                "同一平台（账号）有两个人工版本",
                "two variants for one place",
                "请只保留一个 / keep one",
            )
        seen.add(key)
        if not any(t.platform == variant.platform and variant.account in (None, t.account) for t in request.targets):
            way_out = "请修正平台和账号，或去掉它 / correct it or leave it out"
            yield problem(
                field, "variant_without_target", "没有发布位会用到这个人工版本", "no target uses this variant", way_out
            )
        if all(getattr(variant, name) is None for name in ("title", "text", "body", "digest", "topics")):
            yield problem(
                field,
                "empty_variant",
                "人工版本没有内容",
                "the variant says nothing",
                "请至少填写一项 / fill in at least one",
            )
