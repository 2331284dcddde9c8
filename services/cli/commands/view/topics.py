"""`tongbo topics`: which topics there are, what they are for, how far their readers are behind."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from schemas.topics import TopicFileError, TopicSpec, load_topics, topic
from services.cli.local.pipeline import dead_letter_services
from services.cli.terminal.addresses import kafka_settings
from services.cli.terminal.console import console
from services.cli.terminal.exits import stopped
from services.runtime.kafka.admin import ensure_topics, lag, list_groups, list_topics, partition_count
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.settings import KafkaSettings

HELP = """主题：列出、创建、说明、积压。

Topics: list, create, describe, lag. The topic files in schemas/topics/ say what there should be.

\b
例 / examples:
  tongbo topics                          列出全部 / list them
  tongbo topics create                   创建缺少的 / create what is missing
  tongbo topics describe placement-ledger
  tongbo topics lag                      各消费组落后多少 / how far every group is behind
"""
KafkaOption = Annotated[str | None, typer.Option(help="Kafka 地址 / Kafka brokers")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, invoke_without_command=True, rich_markup_mode=None)
    commands.callback()(listing)
    commands.command("create", help="创建缺少的主题，已有的不改动 / create what is missing, change nothing")(create)
    commands.command("describe", help="一个主题的说明 / one topic in words")(describe)
    commands.command("lag", help="各消费组的积压 / how far groups are behind")(behind)
    app.add_typer(commands, name="topics")


def listing(context: typer.Context, kafka: KafkaOption = None) -> None:
    """All topics of the project and whether the cluster has them."""
    if context.invoked_subcommand is not None:
        return
    settings = kafka_settings(kafka)
    try:
        present = {name: partition_count(settings, name) for name in list_topics(settings)}
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    table = Table(title=f"主题 / topics @ {settings.bootstrap}", title_justify="left")
    for heading in ("主题 / topic", "分区", "保留 / policy", "谁写 → 谁读", "用途 / purpose", "集群中"):
        table.add_column(heading, overflow="fold")
    for spec in _specs():
        table.add_row(
            spec.name,
            str(present.get(spec.name, "")),
            f"{spec.cleanup_policy} {spec.retention}",
            f"{', '.join(spec.producers)} → {', '.join(spec.consumers)}",
            escape(spec.purpose.zh),
            "[green]有[/green]" if spec.name in present else "[red]没有 / missing[/red]",
        )
    console().print(table)


def create(kafka: KafkaOption = None) -> None:
    settings = kafka_settings(kafka)
    try:
        reports = ensure_topics(_as_laid_out(settings), _specs())
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    words = {"created": "已创建 / created", "existing": "已存在 / exists", "differs": "与主题文件不一致 / differs"}
    for report in reports:
        style = {"created": "green", "differs": "red"}.get(report.outcome, "dim")
        console().print(f"{report.topic}: {words[report.outcome]}", style=style)
        for difference in report.differences:
            console().print(f"    {difference}", style="red", markup=False)
    if any(report.outcome == "differs" for report in reports):
        raise typer.Exit(1)


def describe(name: Annotated[str, typer.Argument(metavar="TOPIC")], kafka: KafkaOption = None) -> None:
    try:
        spec = topic(name)
    except TopicFileError as error:
        raise stopped(str(error), "", code=2) from None
    settings = kafka_settings(kafka)
    rows = {
        "用途 / purpose": f"{spec.purpose.zh}\n{spec.purpose.en}",
        "键 / key": "\n".join(f"{kind}: {key}" for kind, key in spec.keys.items()),
        "分区依据 / partition by": spec.partition_by,
        "保留 / policy": f"{spec.cleanup_policy}, {spec.retention}",
        "事件 / events": ", ".join(spec.types),
        "写入 / producers": ", ".join(spec.producers),
        "读取 / consumers": ", ".join(spec.consumers),
        "负责 / owner": spec.owner,
        "分区 / partitions": _partitions(settings, name),
    }
    table = Table(title=name, title_justify="left", show_header=False)
    for heading, text in rows.items():
        table.add_row(heading, escape(text))
    console().print(table)


def behind(
    group: Annotated[str | None, typer.Argument(help="消费组，默认全部 / group, default all")] = None,
    kafka: KafkaOption = None,
) -> None:
    settings = kafka_settings(kafka)
    table = Table(title="积压 / lag", title_justify="left")
    for heading in ("消费组 / group", "主题 / topic", "落后 / behind"):
        table.add_column(heading)
    try:
        groups = list_groups(settings)
        if group is not None and group not in groups:
            raise stopped(f"没有消费组“{group}”，现有：{'、'.join(groups) or '无'}", f"there is no group {group!r}")
        for name in [group] if group else groups:
            sums = Counter[str]()
            for where, count in lag(settings, name).items():
                sums[where.topic] += count
            for topic_name, count in sorted(sums.items()):
                colour = "green" if count == 0 else "yellow"
                table.add_row(name, topic_name, f"[{colour}]{count}[/{colour}]")
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    console().print(table)


def _specs() -> tuple[TopicSpec, ...]:
    return load_topics(dead_letter_services())


def _as_laid_out(settings: KafkaSettings) -> KafkaSettings:
    """Entity topics have one partition count; where the cluster has some already, that one, unless told otherwise."""
    if os.environ.get("TONGBO_PARTITIONS"):
        return settings
    present = set(list_topics(settings))
    existing = next((spec.name for spec in _specs() if spec.partitions is None and spec.name in present), None)
    return settings if existing is None else replace(settings, partitions=partition_count(settings, existing))


def _partitions(settings: KafkaSettings, name: str) -> str:
    try:
        return str(partition_count(settings, name))
    except KafkaProblem as error:
        return str(error)
