"""An acceptable content as placements: their identity, when each is due, and the answer that shows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from schemas.events.content import MasterContent, Target
from services.adapter.accounts.budgets import POST
from services.adapter.accounts.quota_forecast import Planned
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
            placements=tuple(planned_placement(self.master, target, state) for target in self.master.targets),
            variants=self.variants,
            warnings=self.warnings,
        )


def planned_post(master: MasterContent, target: Target) -> Planned:
    """The call that would post the content on a target, as the limits of the account count it."""
    slot = f"{master.content_id}→{target.platform}/{target.account}/{target.slot}"
    return Planned(POST, master.due_at(target), slot)


def planned_placement(master: MasterContent, target: Target, state: Accepted) -> PlannedPlacement:
    """A target as the answer to the client shows it."""
    due = master.due_at(target)
    return PlannedPlacement(
        placement_id=master.placement_id(target),
        platform=target.platform,
        account=target.account,
        slot=target.slot,
        due_at=due,
        late_until=due + timedelta(seconds=target.late_within_s),
        schedule=target.schedule,
        state=state,
    )
