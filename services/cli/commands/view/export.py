"""`tongbo export`: published topics as Parquet or CSV files for BI, whole or continued from the last time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from schemas.contract.event_types import types_of
from schemas.topics import TopicFileError, TopicSpec, load_topics, topic
from services.bi.export import export as write
from services.bi.manifest import FILE, Format, ManifestError, Selection, manifest_of
from services.cli.terminal.addresses import kafka_settings
from services.cli.terminal.console import console, errors
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import shown_zone
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.reader import extents, read_range
from services.runtime.kafka.records import Record
from services.runtime.settings import KafkaSettings

HELP = """导出给 BI：Parquet 或 CSV，时间为 UTC，缺失的数字是空而不是 0。

Export for BI: Parquet or CSV, times in UTC, a missing number is empty and never 0.

\b
例 / examples:
  tongbo export --out bi                                     互动汇总，每个键最新一行 / newest row per key
  tongbo export --out bi --since last                        只取上次之后变过的 / what changed since the last run
  tongbo export --out bi --since 7d --scope campaign --format csv
  tongbo export --topic feedback-unified --since 2026-03-01 --by-day --out bi/feedback
"""
DEFAULT_TOPIC = "engagement-aggregate"
_SPANS = {"h": "hours", "d": "days"}


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(export)


def export(
    out: Annotated[Path, typer.Option(file_okay=False, help="输出目录 / folder to write to")],
    topic_name: Annotated[str, typer.Option("--topic", help="主题 / topic")] = DEFAULT_TOPIC,
    format_: Annotated[Format, typer.Option("--format", help="文件格式 / file format")] = "parquet",
    since: Annotated[
        str | None,
        typer.Option(
            help="从何时起（观测时间）：日期、时刻、7d、12h；last 接着上次 / date, time, 7d, 12h; last: go on"
        ),
    ] = None,
    brand: Annotated[str | None, typer.Option(help="只要这个品牌 / only this brand")] = None,
    campaign: Annotated[str | None, typer.Option(help="只要这个活动 / only this campaign")] = None,
    scope: Annotated[str | None, typer.Option(help="只要这一级，如 campaign / only rows of this scope")] = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="每天一个文件夹（当地日期）/ one folder a day")] = False,
    prefix: Annotated[str, typer.Option(envvar="TONGBO_TOPIC_PREFIX", help="主题前缀 / prefix of topics")] = "",
    kafka: Annotated[str | None, typer.Option(help="Kafka 地址 / Kafka brokers")] = None,
) -> None:
    spec = _for_bi(topic_name)
    onwards = since == "last"
    selection = Selection(
        topic=spec,
        format=format_,
        since=None if onwards or since is None else moment(since, datetime.now(UTC)),
        brand=brand,
        campaign=campaign,
        scope=scope if scope is None or "scope" in _fields(spec) else _no_scope(spec),
        by_day=shown_zone().key if by_day else None,
    )
    settings = kafka_settings(kafka)
    try:
        if (out / FILE).exists() and not onwards:
            raise stopped(
                f"{out} 里已有一份导出：加 --since last 接着导，或换一个目录",
                f"{out} holds an export already: go on with --since last, or use another folder",
                code=2,
            )
        _run(settings, out, selection, prefix + spec.name)
    except (KafkaProblem, ManifestError) as error:
        raise stopped(str(error), "") from None


def _run(settings: KafkaSettings, out: Path, selection: Selection, topic_name: str) -> None:
    known = extents(settings, topic_name)
    wanted = manifest_of(out, selection).next_offsets()
    for number, (first, _, _) in known.items():
        if first > wanted.get(number, first):
            console().print(
                f"分区 {number}：{wanted[number]} 到 {first} 的记录已过保留期，没有导出"
                " / expired before they were exported",
                style="bold red",
            )
    starts = {number: max(first, wanted.get(number, first)) for number, (first, _, _) in known.items()}
    ends = {number: max(end, starts[number]) for number, (_, _, end) in known.items()}
    run = write(out, selection, _shown(settings, topic_name, starts, ends), ends)
    for name in run.files:
        console().print(f"  {out / name}", markup=False, soft_wrap=True)
    console().print(f"{run.rows} 行，{len(run.files)} 个文件 / rows, files", style="green")
    if run.unreadable:
        console().print(f"{run.unreadable} 条记录无法读取，没有导出 / unreadable records left out", style="bold red")


def _shown(settings: KafkaSettings, name: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> Iterator[Record]:
    """The records, with a bar for the people who wait; offsets measure the way, markers and compaction included."""
    total = sum(ends[number] - starts[number] for number in ends)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        task = progress.add_task(f"读取 {name} / reading", total=total or 1)
        places = dict(starts)
        for count, record in enumerate(read_range(settings, name, starts, ends), 1):
            places[record.partition] = record.offset + 1
            if count % 1_000 == 0:
                progress.update(task, completed=sum(places.values()) - sum(starts.values()))
            yield record
        progress.update(task, completed=total, description="写文件 / writing")


def moment(text: str, now: datetime) -> datetime:
    """`2026-03-01`, `2026-03-01T08:00`, `7d`, `12h`; what has no zone is meant in the operator's."""
    try:
        if text[-1:] in _SPANS and text[:-1].isdigit():
            return now - timedelta(**{_SPANS[text[-1]]: int(text[:-1])})
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=shown_zone())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise stopped(
            f"--since {text} 看不懂：请写 2026-03-01、2026-03-01T08:00、7d、12h 或 last",
            f"--since {text} is no time: write 2026-03-01, 2026-03-01T08:00, 7d, 12h or last",
            code=2,
        ) from None


def _for_bi(name: str) -> TopicSpec:
    known = [spec.name for spec in load_topics() if "BI" in spec.consumers]
    try:
        spec = topic(name)
    except TopicFileError:
        spec = None
    if spec is None or name not in known:
        raise stopped(f"--topic {name} 不能导出，可选：{'、'.join(known)}", f"--topic must be one of {known}", code=2)
    return spec


def _fields(spec: TopicSpec) -> set[str]:
    return {field for of in types_of(spec) for field in of.__struct_fields__}


def _no_scope(spec: TopicSpec) -> str:
    raise stopped(f"{spec.name} 没有 scope，请去掉 --scope", f"{spec.name} has no scope, leave --scope out", code=2)
