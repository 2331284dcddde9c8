"""Answers questions about what was accepted and where it stands, within the brands of who asks; reads memory only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from schemas.events.content import CampaignDefined
from services.publisher.access.roles import Granted
from services.publisher.api.answers import (
    CampaignList,
    CampaignStatus,
    CancelNote,
    ContentStatus,
    ContentSummary,
    PlacementDetail,
    PlacementList,
)
from services.publisher.desks.brand_scope import missing
from services.publisher.log.accepted import AcceptedLog
from services.publisher.log.placements import Placements
from services.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Queries:
    """What one token may see; raises RefusedError (404) or DeniedError (403) for the rest."""

    register: AcceptedLog
    placements_now: Placements
    clock: Clock
    granted: Granted

    def campaigns(self) -> CampaignList:
        seen = (one for one in self.register.campaigns() if self.granted.sees(one.brand_id))
        return CampaignList(campaigns=tuple(self._campaign(one) for one in seen))

    def campaign(self, campaign_id: str) -> CampaignStatus:
        return self._campaign(self._seen_campaign(campaign_id))

    def content(self, content_id: str) -> ContentStatus:
        versions = self.register.versions(content_id)
        if not versions or not self.granted.sees(versions[-1].brand_id):
            raise missing(self.granted, "内容", "content", content_id)
        newest = versions[-1]
        return ContentStatus(
            content_id=content_id,
            campaign_id=newest.campaign_id,
            brand_id=newest.brand_id,
            versions=versions,
            cancelled=tuple(
                CancelNote(version=one.version, reason=one.reason, actor=one.actor, at=one.occurred_at)
                for one in self.register.cancels(content_id)
            ),
            placements=self.placements_now.of_content(content_id, self.clock.now()),
        )

    def placements(self, campaign_id: str) -> PlacementList:
        self._seen_campaign(campaign_id)
        return PlacementList(placements=self.placements_now.of_campaign(campaign_id, self.clock.now()))

    def placement(self, placement_id: str) -> PlacementDetail:
        found = self.placements_now.detail(placement_id, self.clock.now())
        if found is None or not self._sees_placement(found):
            raise missing(self.granted, "发布位", "placement", placement_id)
        return found

    def _seen_campaign(self, campaign_id: str) -> CampaignDefined:
        found = self.register.campaign(campaign_id)
        if found is None or not self.granted.sees(found.brand_id):
            raise missing(self.granted, "活动", "campaign", campaign_id)
        return found

    def _sees_placement(self, found: PlacementDetail) -> bool:
        if found.record is not None:
            return self.granted.sees(found.record.brand_id)
        versions = self.register.versions(found.status.content_id)
        return bool(versions) and self.granted.sees(versions[-1].brand_id)

    def _campaign(self, campaign: CampaignDefined) -> CampaignStatus:
        placements = self.placements_now.of_campaign(campaign.campaign_id, self.clock.now())
        return CampaignStatus(
            campaign_id=campaign.campaign_id,
            brand_id=campaign.brand_id,
            name=campaign.name,
            objective=campaign.objective,
            starts_at=campaign.starts_at,
            ends_at=campaign.ends_at,
            contents=tuple(self._summary(one) for one in self.register.contents_of(campaign.campaign_id)),
            states=dict(sorted(Counter(placement.state for placement in placements).items())),
        )

    def _summary(self, content_id: str) -> ContentSummary:
        newest = self.register.versions(content_id)[-1]
        return ContentSummary(
            content_id=content_id,
            version=newest.version,
            kind=newest.kind,
            title=newest.title,
            placements=len(newest.targets),
        )
