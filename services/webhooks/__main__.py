"""`python -m services.webhooks`: tells receivers until told to stop."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.clock import SystemClock
from services.runtime.consume import ConsumeLoop, TopicSubscription
from services.runtime.kafka.reader import read_partition
from services.runtime.main import ServiceContext, run_service
from services.runtime.settings import ServiceSettings, SettingProblem, SettingsError, setting
from services.webhooks.client import Poster
from services.webhooks.stage import DELIVERY_TOPIC, TOPICS, WebhookStage
from services.webhooks.subscriptions import SubscriptionsError, SubscriptionsFile

SERVICE = "webhooks"


@dataclass(frozen=True, kw_only=True)
class WebhooksSettings(ServiceSettings):
    webhooks_allow_private: bool = setting(
        False, meaning="允许通知内网地址 / also receivers that are not on the public internet"
    )
    webhooks_timeout_s: float = setting(10.0, at_least=0.1, meaning="一次通知的时限（秒）/ seconds for one try")
    webhooks_first_retry_s: float = setting(
        5.0, at_least=0.01, meaning="首次重试前的秒数，之后每次三倍，最长一小时 / first pause, then three times as long"
    )
    webhooks_give_up_after_s: float = setting(
        86_400.0, at_least=1, meaning="多少秒后放弃（可重发）/ seconds until a message is given up"
    )


def _run(context: ServiceContext[WebhooksSettings]) -> None:
    settings = context.settings
    subscriptions = SubscriptionsFile(settings.state_dir)
    try:
        subscriptions.all()
    except SubscriptionsError as error:
        remedy = "请修正订阅文件 / correct the file"
        raise SettingsError([SettingProblem("TONGBO_STATE_DIR", str(error), remedy)]) from error
    stage = WebhookStage(
        subscriptions,
        Poster(allow_private=settings.webhooks_allow_private, timeout_s=settings.webhooks_timeout_s),
        lambda partition: read_partition(settings.kafka, DELIVERY_TOPIC, partition),
        SystemClock(),
        first_retry_s=settings.webhooks_first_retry_s,
        give_up_after_s=settings.webhooks_give_up_after_s,
    )
    try:
        subscription = TopicSubscription(SERVICE, f"tongbo-{SERVICE}", TOPICS)
        ConsumeLoop(settings, subscription, stage, context.health, context.stop, context.clock).run()
    finally:
        stage.close()


if __name__ == "__main__":
    raise SystemExit(run_service(SERVICE, WebhooksSettings, _run))
