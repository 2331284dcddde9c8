"""`tongbo failures`: what has failed by root cause, until somebody deals with it; retries of a whole cause."""

from __future__ import annotations

import getpass
import uuid
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from schemas.codec import decoder
from schemas.events.failure import FailureHandled
from services.cli.commands.operate.dlq import KafkaOption, YesOption
from services.cli.publisher.session import PublisherOption, connected
from services.cli.reports.root_causes import Cause, open_causes
from services.cli.terminal.addresses import TokenOption, kafka_settings
from services.cli.terminal.console import cell, console
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.runtime.kafka.admin import partition_count
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_topic
from services.runtime.kafka.records import Outgoing

LEDGER_TOPIC, HANDLED_TOPIC = "placement-ledger", "failure-handled"
SAMPLES = 3
HELP = """失败的发布，按根因（平台、错误类、错误码）列出：从何时起、多少个、下一步。处理之前一直列着。

What has failed, by root cause, with the next step; listed until a retry succeeds or it is noted as handled.

\b
例 / examples:
  tongbo failures
  tongbo failures show CAUSE
  tongbo failures retry CAUSE --reason 已重新授权              演练 / a rehearsal
  tongbo failures retry CAUSE --reason 已重新授权 --yes        执行 / do it
  tongbo failures handled CAUSE --reason 不再需要 --yes
"""
CauseArgument = Annotated[str, typer.Argument(metavar="CAUSE", help="根因，见 tongbo failures / as listed")]
ReasonOption = Annotated[str, typer.Option("--reason", help="为什么，会记录 / why; is kept")]
BrandOption = Annotated[str | None, typer.Option("--brand", help="只看一个品牌 / of one brand")]
_decode = decoder(LEDGER_TOPIC)


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help=HELP, invoke_without_command=True, rich_markup_mode=None)
    commands.callback()(listing)
    commands.command("show", help="一个根因下的发布位 / the placements of a cause")(show)
    commands.command("retry", help="全部重试；没有 --yes 只演练 / retry all, a rehearsal without --yes")(retry)
    commands.command("handled", help="记为已处理，附理由 / note as dealt with, with a reason")(handled)
    app.add_typer(commands, name="failures")


def listing(context: typer.Context, brand: BrandOption = None, kafka: KafkaOption = None) -> None:
    if context.invoked_subcommand is not None:
        return
    causes = _causes(kafka, brand)
    if not causes:
        console().print("没有未处理的失败 / no failures that nobody has dealt with", style="green")
        return
    table = Table(title="未处理的失败 / failures", title_justify="left")
    for heading in ("根因 / cause", "个数", "最早 / since", "下一步 / next", "例 / samples"):
        table.add_column(heading, overflow="fold")
    for one in causes:
        samples = "\n".join(record.placement_id for record in one.placements[:SAMPLES])
        step = "\n".join(one.next_step)
        texts = (one.name, str(len(one.placements)), local(one.since), step, f"{one.message[:120]}\n{samples}")
        table.add_row(*map(cell, texts))
    console().print(table)


def show(cause: CauseArgument, brand: BrandOption = None, kafka: KafkaOption = None) -> None:
    one = _chosen(kafka, brand, cause)
    table = Table(title=cell(f"{one.name}：{one.message}"), title_justify="left")
    for heading in ("发布位 / placement", "状态 / state", "内容 / content", "账号 / account", "自 / since"):
        table.add_column(heading, overflow="fold")
    for record in one.placements:
        texts = (record.placement_id, record.state, record.content_id, record.account, local(record.since))
        table.add_row(*map(cell, texts))
    console().print(table)


def retry(
    cause: CauseArgument,
    reason: ReasonOption,
    yes: YesOption = False,
    brand: BrandOption = None,
    kafka: KafkaOption = None,
    publisher: PublisherOption = None,
    token: TokenOption = None,
) -> None:
    """Through the publisher, like any other command: the adapters refuse what may have been posted."""
    one = _chosen(kafka, brand, cause)
    with connected(publisher, token) as client:
        for record in one.placements:
            command = {
                "kind": "retry", "command_id": f"cmd-{uuid.uuid4().hex}", "reason": reason, "actor": getpass.getuser(),
                "placement_id": record.placement_id,
            }  # fmt: skip
            answer = client.command(command, dry_run=not yes)
            for effect in answer.effects:
                after = f"{effect.state} → {effect.state_after}"
                console().print(f"  {effect.placement_id}  {after}  {effect.note}", markup=False, soft_wrap=True)
    verb = "已下达重试 / told to retry" if yes else "将重试（演练，加 --yes 执行）/ would be retried, add --yes"
    console().print(f"{len(one.placements)} 个发布位{verb}", style="green" if yes else "yellow")


def handled(
    cause: CauseArgument,
    reason: ReasonOption,
    yes: YesOption = False,
    brand: BrandOption = None,
    kafka: KafkaOption = None,
) -> None:
    one = _chosen(kafka, brand, cause)
    if yes:
        try:
            _note(one, reason, kafka)
        except KafkaProblem as error:
            raise stopped(str(error), "") from None
    verb = "已记为处理 / noted as dealt with" if yes else "将记为处理（加 --yes 执行）/ would be noted, add --yes"
    console().print(f"{len(one.placements)} 个发布位{verb}", style="green" if yes else "yellow")


def _note(cause: Cause, reason: str, kafka: str | None) -> None:
    settings, now = kafka_settings(kafka), datetime.now(UTC)
    count = partition_count(settings, HANDLED_TOPIC)
    notes = [
        FailureHandled(
            placement_id=record.placement_id, brand_id=record.brand_id, campaign_id=record.campaign_id,
            revision=record.revision, reason=reason, actor=getpass.getuser(), handled_at=now,
        )
        for record in cause.placements
    ]  # fmt: skip
    producer = Producer(settings, "failures-desk", connect_timeout_s=10)
    try:
        producer.send_many(
            [
                Outgoing(
                    HANDLED_TOPIC, msgspec.json.encode(note), note.placement_id.encode(),
                    partition_of(note.campaign_id, count),
                )
                for note in notes
            ]
        )  # fmt: skip
    finally:
        producer.close()


def _causes(kafka: str | None, brand: str | None) -> tuple[Cause, ...]:
    settings = kafka_settings(kafka)
    try:
        newest = {raw.key: raw.value for raw in read_topic(settings, LEDGER_TOPIC)}
        notes = {raw.key: raw.value for raw in read_topic(settings, HANDLED_TOPIC)}
    except KafkaProblem as error:
        raise stopped(str(error), "") from None
    known = [msgspec.json.decode(value, type=FailureHandled) for value in notes.values() if value]
    records = [_decode(value) for value in newest.values() if value]
    return open_causes(records, {note.placement_id: note for note in known}, brand=brand)


def _chosen(kafka: str | None, brand: str | None, name: str) -> Cause:
    found = next((one for one in _causes(kafka, brand) if one.name == name), None)
    if found is None:
        raise stopped(f"没有未处理的根因“{name}”；tongbo failures 列出", "no such cause; `tongbo failures` lists them")
    return found
