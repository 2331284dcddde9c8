"""Judges a content request against what is known and makes the master content of it, or says all that is wrong.

Looks at no clock, log or network itself: what it judges by is handed in. Knows the platforms only through the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from schemas.events.content import Declarations, MasterContent, MediaRef, Target, Variant
from schemas.events.placement import Draft
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.content import Localised, Refusal
from services.publisher.api.answers import VariantMedia, VariantReport
from services.publisher.api.problems import Problem, problem, unfit
from services.publisher.api.requests import ContentRequest
from services.publisher.content.check_media import inline_ids, media
from services.publisher.content.check_quota import quotas
from services.publisher.content.check_similarity import likeness
from services.publisher.content.check_targets import named, targets
from services.publisher.content.check_text import identity, texts, variants, workload
from services.publisher.content.known import Known
from services.publisher.content.plan import ContentPlan
from services.runtime.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What acceptance adds to the request."""

    now: datetime
    trace_id: str
    idempotency_key: str | None
    request_sha256: str


def judged(request: ContentRequest, known: Known, stamp: Stamp) -> ContentPlan:
    """The plan for `request`; raises RefusedError with every problem that can be told at once."""
    problems = [*texts(request), *identity(request, known), *variants(request)]
    files = media(request, known, problems)
    usable = targets(request, known, stamp.now, problems)
    problems.extend(workload(request, {(target.platform, target.account) for target, _ in usable.values()}))
    master = _master(request, known, stamp, files, tuple(target for target, _ in usable.values()))
    reports: list[VariantReport] = []
    # A content that is broken in itself would be refused by every platform for that same reason once more.
    if not any(one.target is None for one in problems):
        drafts: dict[tuple[str, str], Localised] = {}
        for number, (target, account) in usable.items():
            adapter = known.adapter(target.platform)
            place = target.platform, target.account
            if place not in drafts:  # slots of one account get the same words
                drafts[place] = _localised(adapter, master, target, account)
            localised = drafts[place]
            problems.extend(_refusals(adapter, number, target, localised))
            problems.extend(quotas(adapter, number, target, account, known, master))
            confirmed = request.confirm_similar
            problems.extend(likeness(adapter, number, target, known, master, confirmed=confirmed))
            if localised.draft is not None:
                reports.append(_report(master, target, localised.draft))
    if problems:
        raise unfit(problems)
    return ContentPlan(master, tuple(reports), tuple(_warnings(request, master, known, stamp.now)))


def _localised(adapter: Adapter, master: MasterContent, target: Target, account: Account) -> Localised:
    """The adapter's verdict; where its rules fail over a text, that text is refused, not the whole service."""
    try:
        return adapter.localise(master, target, account)
    except Exception:  # whatever a platform's rules may stumble over
        log.exception("localise_failed", platform=target.platform, content_id=master.content_id)
        way_out = (
            "请改写文字里的特殊写法，并把日志交给维护者 / reword unusual characters, give the log to the maintainers"
        )
        message = "平台规则处理这份内容时出错"
        return Localised(
            None, (Refusal("localise_failed", "", message, "its rules failed over this content", way_out),)
        )


def _master(
    request: ContentRequest, known: Known, stamp: Stamp, files: tuple[MediaRef, ...], places: tuple[Target, ...]
) -> MasterContent:
    return MasterContent(
        event_id=f"master-content:{request.content_id}:{request.version}",
        occurred_at=stamp.now,
        observed_at=stamp.now,
        brand_id=known.campaign_brand or "",
        campaign_id=request.campaign_id,
        trace_id=stamp.trace_id,
        content_id=request.content_id,
        version=request.version,
        kind=request.kind,
        title=request.title,
        key_message=request.key_message,
        summary=request.summary,
        body=request.body,
        author=request.author,
        topics=request.topics,
        link=request.link,
        media=files,
        declarations=Declarations(**structs.asdict(request.declarations)),
        targets=places,
        variants=tuple(Variant(**structs.asdict(variant)) for variant in request.variants),
        idempotency_key=stamp.idempotency_key,
        request_sha256=stamp.request_sha256,
    )


def _refusals(adapter: Adapter, number: int, target: Target, localised: Localised) -> Iterator[Problem]:
    refusals = localised.refusals
    if localised.draft is None and not refusals:
        way_out = "请联系维护者：适配器没有说明原因 / the adapter gave no reason, report it"
        refusals = (Refusal("no_draft", f"targets[{number}]", "无法生成这个平台的版本", "no draft", way_out),)
    for refusal in refusals:
        yield problem(
            refusal.field,
            refusal.code,
            f"{adapter.name.zh} {target.account}：{refusal.message}",
            f"{adapter.name.en} {target.account}: {refusal.message_en}",
            refusal.way_out,
            named(target),
        )


def _report(master: MasterContent, target: Target, draft: Draft) -> VariantReport:
    human = master.variant_for(target.platform, target.account) is not None
    return VariantReport(
        platform=target.platform,
        account=target.account,
        slot=target.slot,
        form=draft.form,
        written_by="person" if human else "rules",
        title=draft.title,
        text=draft.text,
        html=draft.html,
        length_used=draft.length_used,
        length_limit=draft.length_limit,
        media=tuple(VariantMedia(media_id=one.media_id, use=one.use) for one in draft.media),
        rules_version=draft.rules_version,
        rules_applied=draft.rules_applied,
        dropped=draft.dropped,
        warnings=draft.warnings,
    )


def _warnings(request: ContentRequest, master: MasterContent, known: Known, now: datetime) -> Iterator[str]:
    used = set(inline_ids(request.body))
    for one in request.media:
        if one.role == "inline" and one.media_id not in used:
            yield f"插图“{one.media_id}”没有在正文中引用 / inline picture {one.media_id!r} is not used in the body"
    for target in master.targets:
        if target.schedule is not None and target.schedule.due_at < now:
            yield f"{named(target)} 的计划时间已过，将立即发布 / is due in the past and goes out at once"
    if known.versions:
        kept = {named(target) for target in master.targets}
        for gone in (named(target) for target in known.versions[-1].targets if named(target) not in kept):
            yield f"新版本不再包含 {gone}，它若未发布将被取消 / is no longer named: cancelled unless posted"
