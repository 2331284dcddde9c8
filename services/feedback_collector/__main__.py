"""`python -m services.feedback_collector`: polls every live post until told to stop."""

from __future__ import annotations

from typing import Any

from services.adapter.errors import PlatformError
from services.adapter.process import declared_accounts
from services.adapter.registry import adapters
from services.feedback_collector.pseudonyms import Pseudonyms
from services.feedback_collector.settings import CollectorSettings, author_salt
from services.feedback_collector.stage import LEDGER_TOPIC, CollectorStage, Pace
from services.runtime.consume import ConsumeLoop
from services.runtime.kafka.reader import read_partition
from services.runtime.main import ServiceContext, run_service

SERVICE = "feedback-collector"


def _run(context: ServiceContext[CollectorSettings]) -> None:
    settings = context.settings
    accounts = declared_accounts(settings.accounts_file, settings.simulator_url)
    found, clients = adapters(), dict[tuple[str, str], Any]()

    def client_of(platform: str, account: str) -> Any:
        if (platform, account) not in clients:
            declared = accounts.get(platform, account)
            if declared is None:
                raise PlatformError(
                    f"账号 {account} 未声明 / account not declared", error_class="auth", sent="no", scope="account"
                )
            clients.setdefault((platform, account), found[platform].client(declared, settings.call_timeout_s))
        return clients[platform, account]

    stage = CollectorStage(
        found,
        client_of,
        lambda topic, partition: read_partition(settings.kafka, topic, partition),
        Pseudonyms(author_salt(settings)),
        context.clock,
        Pace(settings.poll_scale, settings.poll_least_s),
        settings.most_polls,
    )
    loop = ConsumeLoop(
        settings,
        SERVICE,
        f"tongbo-{SERVICE}",
        [LEDGER_TOPIC],
        stage,
        context.health,
        context.stop,
        context.clock,
        drain_s=settings.drain_s,
    )
    try:
        loop.run()
    finally:
        stage.close()


if __name__ == "__main__":
    raise SystemExit(run_service(SERVICE, CollectorSettings, _run))
