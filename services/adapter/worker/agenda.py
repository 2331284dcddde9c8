"""What placements want besides their next attempt: commands to carry out, actions for live posts, looks at live posts.

The ledger's own agenda holds the attempts. Decides nothing and calls nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.adapter.commands.view import CommandView
from services.adapter.worker.ledger import LedgerEntry
from services.adapter.worker.live_checks import LiveCheckSchedule
from services.adapter.worker.post_actions import PostActions


@dataclass(slots=True)
class Agenda:
    """Of one worker. `open`: placements with commands or actions that are not done yet, in the order they came."""

    commands: CommandView
    post_actions: PostActions
    live_checks: LiveCheckSchedule
    open: dict[str, None] = field(default_factory=dict)

    def track(self, entry: LedgerEntry) -> None:
        """Note what this placement wants, as its record is now."""
        record = entry.record
        if self.commands.pending_for(record) or not self.post_actions.is_over(record):
            self.enqueue(record.placement_id)
        if record.state == "LIVE" and not self.live_checks.knows(record.placement_id):
            self.live_checks.expect(record)

    def enqueue(self, placement_id: str) -> None:
        """A command came for this placement, or an action is left over from before."""
        self.open[placement_id] = None
