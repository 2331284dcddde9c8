"""`tongbo tail`: what flows through a topic, as it flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text

from schemas.codec import DecodeError, decoder
from schemas.topics import TopicFileError, topic
from services.cli.terminal.addresses import kafka_settings
from services.cli.terminal.console import console
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.reader import Tail, read_topic
from services.runtime.kafka.records import Record
from services.runtime.safe_text import safe_line
from services.runtime.settings import KafkaSettings

HELP = """看一个主题里流过的事件；Ctrl-C 结束。作者都是假名。

Show the events of a topic as they flow; Ctrl-C ends it. Authors are pseudonyms.

\b
例 / examples:
  tongbo tail placement-ledger
  tongbo tail feedback-unified --from-start --once --campaign qinghe-cold-brew-2026
  tongbo tail master-content --from-start --once --full
"""
_POLL_S = 0.5
_ENVELOPE = frozenset(
    {"type", "event_id", "schema_version", "occurred_at", "observed_at", "brand_id", "campaign_id", "trace_id"}
)
_LEADING = ("placement_id", "content_id", "platform", "account", "state", "text", "title", "name", "scope", "metrics")
_LONGEST = 160


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(tail)


def tail(
    topic_name: Annotated[str, typer.Argument(metavar="TOPIC", help="主题，见 tongbo topics / topic")],
    from_start: Annotated[bool, typer.Option("--from-start", help="从最早的记录开始 / from the first record")] = False,
    once: Annotated[bool, typer.Option("--once", help="读到现在的末尾就结束 / stop at the present end")] = False,
    campaign: Annotated[str | None, typer.Option(help="只看这个活动 / only this campaign")] = None,
    full: Annotated[bool, typer.Option("--full", help="输出完整 JSON，每行一条 / whole events as JSON lines")] = False,
    kafka: Annotated[str | None, typer.Option(help="Kafka 地址 / Kafka brokers")] = None,
) -> None:
    try:
        decode: Callable[[bytes], Any] = decoder(topic(topic_name).name)
    except TopicFileError as error:
        raise stopped(f"{error}；tongbo topics 列出全部", "", code=2) from None
    settings, out = kafka_settings(kafka), console()
    try:
        for record in _records(settings, topic_name, from_start=from_start or once, once=once):
            line = shown(record, decode, campaign, full=full)
            if line is not None:
                out.print(line, soft_wrap=True)
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _records(settings: KafkaSettings, name: str, *, from_start: bool, once: bool) -> Iterator[Record]:
    if once:
        yield from in_order(read_topic(settings, name))
        return
    follower = Tail(settings, [name], start="earliest" if from_start else "latest")
    try:
        while True:
            yield from in_order(follower.poll(_POLL_S))
    finally:
        follower.close()


def in_order(records: Iterable[Record]) -> list[Record]:
    """By time across partitions; within one the log's order stays."""
    return sorted(records, key=lambda one: (one.timestamp, one.partition, one.offset))


def shown(record: Record, decode: Callable[[bytes], Any], campaign: str | None, *, full: bool) -> Text | None:
    """One line for a record; None where it is of another campaign."""
    key = safe_line((record.key or b"").decode(errors="replace"))
    where = f"{local(record.timestamp)} {record.partition}/{record.offset}"
    if record.value is None:
        return None if campaign else Text.assemble((where, "dim"), f" {key} ", ("（已删除 / deleted）", "red"))
    try:
        event: dict[str, Any] = msgspec.to_builtins(decode(record.value))
    except DecodeError as error:
        return Text.assemble((where, "dim"), f" {key} ", (f"无法解析：{safe_line(str(error))}", "red"))
    if campaign is not None and event.get("campaign_id") != campaign:
        return None
    if full:
        return Text(msgspec.json.encode(event).decode())
    return Text.assemble((where, "dim"), " ", (str(event.get("type", "")), "bold cyan"), f" {key}  {_summary(event)}")


def _summary(event: dict[str, Any]) -> str:
    names = [name for name in _LEADING if name in event]
    names += [name for name in event if name not in _ENVELOPE and name not in names]
    parts = [f"{name}={event[name]}" for name in names if event[name] not in (None, "", [], {}, ())]
    text = safe_line("  ".join(parts))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
