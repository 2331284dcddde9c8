"""`tongbo webhooks`: subscriptions to placements and alerts, their deliveries, and sending one again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace
from rich.table import Table

from schemas.events.webhook import WebhookDelivery
from services.cli.commands.operate.dlq import KafkaOption
from services.cli.terminal.addresses import home_of, kafka_settings
from services.cli.terminal.console import cell, console, errors, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing
from services.webhooks.messages import EVENTS
from services.webhooks.stage import DELIVERY_TOPIC, RESEND_HEADER
from services.webhooks.subscriptions import SubscriptionsError, SubscriptionsFile

HELP = """对外通知：发布位的每次变化和告警，签名后发给订阅的地址（至少一次，失败重试）。

Signed calls to others about placements and alerts, at least once. Receivers check `webhook-signature` (Standard
Webhooks) and recognise what they know already by `webhook-id`.

\b
例 / examples:
  tongbo webhooks add https://crm.example/hook --event placement.live --event placement.failed --brand qinghe
  tongbo webhooks list
  tongbo webhooks log --undelivered
  tongbo webhooks resend wh-1a2b3c4d:pl-…:3
"""
Folder = Annotated[
    Path | None,
    typer.Option("--state-dir", help="通知服务的 TONGBO_STATE_DIR / its state folder", show_default=False),
]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)
    commands.command("add", help="订阅；密钥只显示这一次 / subscribe, the secret is shown once")(add)
    commands.command("list", help="列出订阅 / list")(listing)
    commands.command("remove", help="取消订阅 / unsubscribe")(remove)
    commands.command("log", help="投递记录 / deliveries")(delivery_log)
    commands.command("resend", help="再发一次 / send one delivery again")(resend)
    app.add_typer(commands, name="webhooks")


def add(
    url: Annotated[str, typer.Argument(help="接收地址 / address of the receiver")],
    event: Annotated[
        list[str] | None, typer.Option(help=f"事件，可写多次，默认全部 / default all：{'、'.join(EVENTS)}")
    ] = None,
    brand: Annotated[str, typer.Option(help="品牌，* 为全部 / brand id, * is all")] = "*",
    state_dir: Folder = None,
) -> None:
    with _refused():
        one = _file(state_dir).add(url, tuple(event or ()), brand, datetime.now(UTC))
    errors().print(f"已订阅 / subscribed：{one.subscription_id}", style="green", markup=False)
    errors().print("验签密钥如下，只显示这一次 / the secret to check signatures with, shown only now:", style="yellow")
    write(one.secret)  # alone on standard output, for scripts


def listing(state_dir: Folder = None) -> None:
    with _refused():
        found = _file(state_dir).all()
    table = Table(title="订阅 / subscriptions", title_justify="left")
    for heading in ("编号 / id", "地址 / address", "事件 / events", "品牌 / brand", "自 / since"):
        table.add_column(heading, overflow="fold")
    for one in found:
        texts = (one.subscription_id, one.url, " ".join(one.events) or "全部 / all", one.brand, local(one.created_at))
        table.add_row(*map(cell, texts))
    console().print(table)


def remove(
    subscription_id: Annotated[str, typer.Argument(metavar="ID")],
    state_dir: Folder = None,
) -> None:
    with _refused():
        _file(state_dir).remove(subscription_id)
    console().print(f"已取消 / removed：{subscription_id}", style="green", markup=False)


def delivery_log(
    undelivered: Annotated[bool, typer.Option("--undelivered", help="只列未送达的 / only what did not arrive")] = False,
    subscription: Annotated[str | None, typer.Option(help="只看一个订阅 / of one subscription")] = None,
    last: Annotated[int, typer.Option(min=1, help="最多几条 / at most so many")] = 50,
    kafka: KafkaOption = None,
) -> None:
    chosen = [
        one
        for one, _ in _deliveries(kafka).values()
        if subscription in (None, one.subscription_id) and not (undelivered and one.state == "DELIVERED")
    ]
    table = Table(title="投递记录 / deliveries", title_justify="left")
    for heading in (
        "投递 / delivery",
        "事件 / event",
        "状态 / state",
        "次数 / tries",
        "最近 / last try",
        "结果 / answer",
    ):
        table.add_column(heading, overflow="fold")
    for one in sorted(chosen, key=lambda found: found.created_at)[-last:]:
        tried = one.attempts[-1] if one.attempts else None
        answer = "" if tried is None else str(tried.status) if tried.status else tried.problem
        last_try = local(tried.at) if tried else ""
        table.add_row(*map(cell, (one.delivery_id, one.event, one.state, str(one.tries), last_try, answer)))
    console().print(table)


def resend(
    delivery_id: Annotated[str, typer.Argument(metavar="DELIVERY")],
    kafka: KafkaOption = None,
) -> None:
    """Same message id and body, so that receivers recognise it; signed anew when it is sent."""
    found = _deliveries(kafka).get(delivery_id)
    if found is None:
        raise stopped(f"没有投递 {delivery_id}；tongbo webhooks log 列出", "no such delivery")
    now = datetime.now(UTC)
    one = replace(found[0], state="PENDING", created_at=now, next_attempt_at=now, tries=0)
    try:
        producer = Producer(kafka_settings(kafka), "webhooks-desk", connect_timeout_s=10)
        try:
            key, value = one.delivery_id.encode(), msgspec.json.encode(one)
            producer.send(Outgoing(DELIVERY_TOPIC, value, key, found[1], ((RESEND_HEADER, b"1"),)))
        finally:
            producer.close()
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    console().print(f"将重发 / will be sent again：{delivery_id}", style="green", markup=False)


def _deliveries(kafka: str | None) -> dict[str, tuple[WebhookDelivery, int]]:
    """The newest record of each delivery and its partition."""
    try:
        return {
            (one := msgspec.json.decode(raw.value, type=WebhookDelivery)).delivery_id: (one, raw.partition)
            for raw in read_topic(kafka_settings(kafka), DELIVERY_TOPIC)
            if raw.value is not None
        }
    except KafkaProblem as error:
        raise stopped(str(error), "") from None


def _file(state_dir: Path | None) -> SubscriptionsFile:
    return SubscriptionsFile(state_dir or Path(os.environ.get("TONGBO_STATE_DIR") or home_of() / "state"))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except (SubscriptionsError, OSError) as error:
        raise stopped(str(error), "", code=2) from None
