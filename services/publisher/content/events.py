"""The event and the answer that a campaign or a cancel becomes; contents are made in acceptance.py. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from schemas.events.content import CampaignDefined, ContentCancelled, MasterContentEvent
from services.publisher.api.answers import CampaignAccepted, CancelAccepted
from services.publisher.api.problems import invalid, problem
from services.publisher.api.requests import CampaignRequest, CancelRequest
from services.publisher.content.acceptance import Stamp
from services.publisher.content.schedule import YEARS

Made = tuple[MasterContentEvent, bytes]


def campaign_defined(request: CampaignRequest, stamp: Stamp) -> Made:
    for field in ("starts_at", "ends_at"):
        moment: datetime | None = getattr(request, field)
        if moment is not None and not YEARS[0] <= moment.year <= YEARS[1]:
            wrong = f"年份 {moment.year} 超出范围", f"the year {moment.year} is out of range"
            way_out = f"请用 {YEARS[0]} 到 {YEARS[1]} 年之间的时间 / use a year from {YEARS[0]} to {YEARS[1]}"
            raise invalid([problem(field, "year_out_of_range", *wrong, way_out)])
    if request.starts_at and request.ends_at and request.ends_at <= request.starts_at:
        wrong = "结束时间不晚于开始时间", "it ends before it starts"
        raise invalid([problem("ends_at", "ends_before_start", *wrong, "请改正其中一个 / correct one of them")])
    event = CampaignDefined(
        event_id=f"campaign-defined:{request.campaign_id}",
        occurred_at=stamp.now,
        observed_at=stamp.now,
        brand_id=request.brand_id,
        campaign_id=request.campaign_id,
        trace_id=stamp.trace_id,
        name=request.name,
        objective=request.objective,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        request_sha256=stamp.request_sha256,
        idempotency_key=stamp.idempotency_key,
    )
    answer = CampaignAccepted(
        campaign_id=request.campaign_id,
        brand_id=request.brand_id,
        name=request.name,
        objective=request.objective,
        starts_at=request.starts_at,
        ends_at=request.ends_at,
        accepted_at=stamp.now,
        trace_id=stamp.trace_id,
    )
    return event, msgspec.json.encode(answer)


def content_cancelled(
    brand_id: str, campaign_id: str, content_id: str, version: int, request: CancelRequest, stamp: Stamp
) -> Made:
    event = ContentCancelled(
        event_id=f"content-cancelled:{content_id}:{version}",
        occurred_at=stamp.now,
        observed_at=stamp.now,
        brand_id=brand_id,
        campaign_id=campaign_id,
        trace_id=stamp.trace_id,
        content_id=content_id,
        version=version,
        reason=request.reason,
        actor=request.actor,
    )
    answer = CancelAccepted(
        content_id=content_id,
        version=version,
        reason=request.reason,
        actor=request.actor,
        accepted_at=stamp.now,
        trace_id=stamp.trace_id,
    )
    return event, msgspec.json.encode(answer)
