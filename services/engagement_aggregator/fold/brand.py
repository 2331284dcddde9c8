"""The second stage: `(rows, batch of campaign totals) → changed keys`, one row per brand. Pure.

Campaigns of a brand live in several partitions, so their absolute totals come here by a topic of their own. The share
of each campaign is kept: a total that comes again, or late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.events.aggregate import CampaignTotals, FollowersState
from schemas.internal.aggregate_state import CampaignShare, TotalState
from services.engagement_aggregator.fold.refusals import Refused
from services.engagement_aggregator.rows import keys
from services.engagement_aggregator.rows.cached import Rows
from services.engagement_aggregator.rows.sums import NOTHING, added, follow, less, shift_activity, shift_curve

_decode = msgspec.json.Decoder(CampaignTotals).decode


@dataclass(slots=True)
class Folded:
    """What a batch did."""

    changed: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)


def fold_campaigns(rows: Rows, values: Sequence[bytes | None]) -> Folded:
    """Fold campaign totals of one partition into `rows`."""
    result = Folded()
    for index, value in enumerate(values):
        try:
            _apply(rows, _decode(value or b""), result.changed)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"无法解读为活动合计：{error} / not campaign totals"
            result.refused.append(Refused(index, "undecodable", message))
    return result


def _apply(rows: Rows, totals: CampaignTotals, changed: set[str]) -> None:
    share_key, brand_key = keys.share(totals.brand_id, totals.campaign_id), keys.brand(totals.brand_id)
    known = rows.get(share_key)
    share = known if isinstance(known, CampaignShare) else CampaignShare(0, NOTHING, {}, {})
    if known is not None and totals.revision <= share.revision:
        return
    brand = _brand(rows, brand_key, totals)
    brand.sums = added(brand.sums, less(totals.sums, share.sums))
    shift_activity(brand.activity, totals.activity)
    shift_activity(brand.activity, {hour: -count for hour, count in share.activity.items()})
    shift_curve(brand.curve, totals.curve, share.curve)
    brand.follower_events += totals.follower_events - share.follower_events
    brand.as_of = max(brand.as_of, totals.observed_at)
    if totals.published_at is not None:
        brand.published_at = max(brand.published_at or totals.published_at, totals.published_at)
    for platform, at in totals.newest_observation.items():
        brand.newest[platform] = max(brand.newest.get(platform, at), at)
    for account, followers in totals.followers.items():
        follow(brand.followers.setdefault(account, FollowersState()), followers)
    rows[share_key] = CampaignShare(totals.revision, totals.sums, totals.activity, totals.curve, totals.follower_events)
    changed.update((share_key, brand_key))


def _brand(rows: Rows, key: str, totals: CampaignTotals) -> TotalState:
    brand = rows.get(key)
    if not isinstance(brand, TotalState):
        brand = TotalState("brand", totals.brand_id, None, None, "all", totals.observed_at, NOTHING)
        rows[key] = brand
    return brand
