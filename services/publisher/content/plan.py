"""An acceptable content as placements: their identity, when each is due, and the answer that shows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.events.content import MasterContent, Target
from schemas.events.placement import placement_id
from services.publisher.api.answers import Accepted, ContentAccepted, PlannedPlacement, VariantReport


@dataclass(frozen=True, slots=True)
class ContentPlan:
    """An acceptable content and how it will look on each platform."""

    master: MasterContent
    variants: tuple[VariantReport, ...]
    warnings: tuple[str, ...]

    def answer(self, state: Accepted) -> ContentAccepted:
        return ContentAccepted(
            content_id=self.master.content_id,
            version=self.master.version,
            campaign_id=self.master.campaign_id,
            brand_id=self.master.brand_id,
            accepted_at=self.master.occurred_at,
            trace_id=self.master.trace_id,
            placements=tuple(planned(self.master, target, state) for target in self.master.targets),
            variants=self.variants,
            warnings=self.warnings,
        )


def identity_of(master: MasterContent, target: Target) -> str:
    return placement_id(
        brand_id=master.brand_id,
        campaign_id=master.campaign_id,
        content_id=master.content_id,
        platform=target.platform,
        account=target.account,
        slot=target.slot,
    )


def due_at(master: MasterContent, target: Target) -> datetime:
    """When it is due: as scheduled, or at once on acceptance."""
    return target.schedule.due_at if target.schedule else master.occurred_at


def planned(master: MasterContent, target: Target, state: Accepted) -> PlannedPlacement:
    due = due_at(master, target)
    return PlannedPlacement(
        placement_id=identity_of(master, target),
        platform=target.platform,
        account=target.account,
        slot=target.slot,
        due_at=due,
        late_until=due + timedelta(seconds=target.late_within_s),
        schedule=target.schedule,
        state=state,
    )
