"""What Faust does between an assignment and the first batch: here the partitions are taken, which recovers their rows.

Faust's own recovery counts records up to the high watermark, and so never ends on a changelog whose last offsets are
transaction markers or aborted rows; it would also start before a predecessor is fenced.
"""

from __future__ import annotations

from aiokafka.errors import IllegalStateError
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from mode import Service

from services.runtime.logging import get_logger

log = get_logger(__name__)


class OwnershipRecovery(Recovery):  # type: ignore[misc]  # Faust ships no annotations for it
    """Takes the assigned partitions, then lets Faust resume its streams."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._take(self._generation_id)
            except (RebalanceAgain, IllegalStateError) as again:
                log.info("assignment_changed_meanwhile", cause=repr(again))
            except ServiceStopped:
                return

    async def _take(self, generation: int) -> None:
        self._set_recovery_started()
        await self._wait(self.app.ownership.take({tp.partition for tp in self.active_tps}))
        await self._wait(self.on_recovery_completed(generation))

    @Service.task  # type: ignore[untyped-decorator]
    async def _slurp_changelogs(self) -> None:
        """Changelogs are not read through the group."""

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_stats(self) -> None:
        """Progress is logged where the changelog is read."""


class OwnershipTableManager(TableManager):  # type: ignore[misc]
    """Faust's table manager with our recovery."""

    _recovery: OwnershipRecovery | None

    @property
    def recovery(self) -> OwnershipRecovery:
        if self._recovery is None:
            self._recovery = OwnershipRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
