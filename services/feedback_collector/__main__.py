"""`python -m services.feedback_collector`: polls every live post and takes the platforms' calls."""

from __future__ import annotations

from datetime import datetime

from schemas.internal.callback import PlatformCallback
from services.adapter.accounts.on_this_machine import shared_on_this_machine
from services.adapter.contract.registry import adapters
from services.adapter.worker.process import declared_accounts
from services.feedback_collector.callbacks.receiver import CallbackReceiver
from services.feedback_collector.polling.clients import Clients
from services.feedback_collector.posts.callback_comments import CallbackComments
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.feedback_collector.settings import CollectorSettings, author_salt
from services.feedback_collector.stage import LEDGER_TOPIC, CollectorStage, PollPace
from services.runtime.consume import ConsumeLoop, TopicSubscription
from services.runtime.kafka.reader import read_partition
from services.runtime.main import ServiceContext, run_service

SERVICE = "feedback-collector"


def _run(context: ServiceContext[CollectorSettings]) -> None:
    settings = context.settings
    found = adapters()
    accounts = declared_accounts(settings.accounts_file, settings.simulator_url)
    pseudonyms, arrivals = Pseudonyms(author_salt(settings)), CallbackComments()

    def arrived(callback: PlatformCallback, at: datetime) -> None:
        arrivals.put(callback, at)
        loop.wake()

    receiver = CallbackReceiver(settings, found, accounts, pseudonyms, context.clock, arrived, context.stop)
    stage = CollectorStage(
        found,
        Clients(found, accounts, settings.call_timeout_s, shared_on_this_machine(settings.state_dir, "feedback")),
        lambda topic, partition: read_partition(settings.kafka, topic, partition),
        pseudonyms,
        context.clock,
        PollPace(settings.poll_scale, settings.poll_least_s, settings.most_polls),
        arrivals=arrivals,
    )
    loop = ConsumeLoop(
        settings,
        TopicSubscription(SERVICE, f"tongbo-{SERVICE}", (LEDGER_TOPIC,), canaries=True),
        stage,
        context.health,
        context.stop,
        context.clock,
        drain_s=settings.drain_s,
        session_timeout_ms=int(settings.session_timeout_s * 1000),
    )
    receiver.start()
    try:
        loop.run()
    finally:
        receiver.close()


if __name__ == "__main__":
    raise SystemExit(run_service(SERVICE, CollectorSettings, _run))
