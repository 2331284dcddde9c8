"""Drives one placement as the worker would, with the worker's own decisions and a clock that stands still."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.events.placement import PlacementRecord
from services.adapter.contract.adapter import Timing
from services.adapter.contract.errors import PlatformError
from services.adapter.placement import transitions as to
from services.adapter.placement.outcome_rules import OutcomeRules
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.publish import WechatPublication
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import Media

TIMING = Timing(look_after_s=60, look_every_s=30, looks=3, follow_every_s=5)


class Worker:
    def __init__(self, sim: SimulatorServer, client: WechatClient) -> None:
        self.sim, self.client = sim, client
        self.publication = WechatPublication(sim.clock.now)
        self.decider = OutcomeRules(self.publication, TIMING, sim.clock.now, "w-1")

    def run(self, record: PlacementRecord, *, claimed: frozenset[str] = frozenset(), most: int = 60) -> PlacementRecord:
        """Until the record is final or wants a person; the clock jumps to whenever something is due."""
        for _ in range(most):
            if record.is_final or record.state == "NEEDS_HUMAN":
                return record
            record = self.once(record, claimed)
        raise AssertionError(f"not settled after {most} actions: {record.state} {record.waiting_on}")

    def once(self, record: PlacementRecord, claimed: frozenset[str] = frozenset()) -> PlacementRecord:
        """One thing that is due: a call, a look or a poll."""
        now = self.sim.clock.now()
        if record.next_attempt_at is not None and record.next_attempt_at > now:
            self.sim.clock.advance((record.next_attempt_at - now).total_seconds())
        step = self.publication.next_step(record)
        match record.state:
            case "UNKNOWN":
                assert step is not None
                return self.decider.after_look(record, step, self._tried(self.publication.find, record, claimed))
            case "ACCEPTED":
                return self.decider.after_follow(record, self._tried(self.publication.follow, record))
            case _:
                assert step is not None
                deadline = self.sim.clock.now() + timedelta(seconds=20)
                called = to.calling(record, step, self.sim.clock.now(), deadline, "w-1")
                outcome = self._tried(self.publication.perform, called, step, Media())
                if isinstance(outcome, PlatformError):
                    return self.decider.after_error(called, step, outcome)
                return self.decider.after_step(called, step, outcome)

    def _tried(self, call: Any, record: PlacementRecord, *more: Any) -> Any:
        try:
            return call(self.client, record, *more)
        except PlatformError as error:
            return error
