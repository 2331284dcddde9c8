"""The second stage: `(rows, batch of campaign totals) → changed keys`, one row per brand. Pure.

Campaigns of a brand live in several partitions, so their absolute totals come here by a topic of their own. The share
of each campaign is kept: a total that comes again, or late, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.aggregate import CampaignTotals, FollowersState, Sums
from schemas.aggregate_state import CampaignShare, TotalState
from services.engagement_aggregator import keys
from services.engagement_aggregator.fold import Folded, Refused, Rows
from services.engagement_aggregator.sums import follow_merged, shift

_decode = msgspec.json.Decoder(CampaignTotals).decode


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
    share = known if isinstance(known, CampaignShare) else CampaignShare(revision=0, sums=Sums())
    if known is not None and totals.revision <= share.revision:
        return
    brand = _brand(rows, brand_key, totals)
    shift(brand.sums, totals.sums, share.sums)
    brand.follower_events += totals.follower_events - share.follower_events
    brand.as_of = max(brand.as_of, totals.observed_at)
    for platform, at in totals.newest_observation.items():
        brand.newest[platform] = max(brand.newest.get(platform, at), at)
    for account, followers in totals.followers.items():
        follow_merged(brand.followers.setdefault(account, FollowersState()), followers)
    rows[share_key] = CampaignShare(revision=totals.revision, sums=totals.sums, follower_events=totals.follower_events)
    changed.update((share_key, brand_key))


def _brand(rows: Rows, key: str, totals: CampaignTotals) -> TotalState:
    brand = rows.get(key)
    if not isinstance(brand, TotalState):
        brand = TotalState(
            scope="brand", brand_id=totals.brand_id, platform="all", as_of=totals.observed_at, sums=Sums()
        )
        rows[key] = brand
    return brand
