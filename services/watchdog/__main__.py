"""`python -m services.watchdog`: watches the pipeline until told to stop."""

from __future__ import annotations

from services.adapter.contract.registry import platforms
from services.runtime.main import ServiceContext, run_service
from services.watchdog.settings import WatchdogSettings
from services.watchdog.watch import Watchdog


def _run(context: ServiceContext[WatchdogSettings]) -> None:
    Watchdog(context.settings, platforms(), context.clock, context.stop, context.health).run()


if __name__ == "__main__":
    raise SystemExit(run_service("watchdog", WatchdogSettings, _run))
