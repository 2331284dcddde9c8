"""Answers questions about what was accepted and where it stands; reads memory only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from schemas.content import CampaignDefined
from services.publisher.answers import (
    CampaignList,
    CampaignStatus,
    CancelNote,
    ContentStatus,
    ContentSummary,
    PlacementDetail,
    PlacementList,
)
from services.publisher.placements import Placements
from services.publisher.register import Register
from services.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class Reading:
    register: Register
    placements_now: Placements
    clock: Clock

    def campaigns(self) -> CampaignList:
        return CampaignList(campaigns=tuple(self._campaign(one) for one in self.register.campaigns()))

    def campaign(self, campaign_id: str) -> CampaignStatus | None:
        found = self.register.campaign(campaign_id)
        return self._campaign(found) if found else None

    def content(self, content_id: str) -> ContentStatus | None:
        versions = self.register.versions(content_id)
        if not versions:
            return None
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

    def placements(self, campaign_id: str) -> PlacementList | None:
        if self.register.campaign(campaign_id) is None:
            return None
        return PlacementList(placements=self.placements_now.of_campaign(campaign_id, self.clock.now()))

    def placement(self, placement_id: str) -> PlacementDetail | None:
        return self.placements_now.detail(placement_id, self.clock.now())

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
