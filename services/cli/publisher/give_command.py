"""Sends one command to the publisher and shows what it changes for each placement. A rehearsal writes nothing."""

from __future__ import annotations

import getpass
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import msgspec
from rich.table import Table

from schemas.words import state_words
from services.cli.publisher.session import connected
from services.cli.terminal.command_options import How
from services.cli.terminal.console import cell, console, write
from services.cli.terminal.exits import stopped
from services.cli.terminal.times import local
from services.publisher.api.command_requests import CommandAccepted

SHOWN = 20
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def give_command(how: How, kind: str, **fields: Any) -> None:
    """Send the command and show its effects."""
    command = {
        "kind": kind,
        "command_id": how.command_id or f"cmd-{uuid.uuid4().hex}",
        "reason": how.reason,
        "actor": how.actor or getpass.getuser(),
        **{name: value for name, value in fields.items() if value is not None},
    }
    with connected(how.publisher, how.token) as client:
        answer = client.command(command, dry_run=how.dry_run)
    if how.as_json:
        write(msgspec.json.encode(answer).decode())
        return
    _show(answer, how.dry_run)


def seconds(text: str | None, option: str) -> float | None:
    """`90s`, `10m`, `2h`, `1d` in seconds; ends the command for anything else."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:].lower()
    if unit not in UNITS or not number.replace(".", "", 1).isdigit() or float(number) <= 0:
        raise stopped(
            f"{option} 应为时长，例如 90s、10m、2h，现为“{text}”",
            f"{option} must be a span such as 90s, 10m, 2h",
            code=2,
        )
    return float(number) * UNITS[unit]


def instant(text: str | None, option: str) -> str | None:
    """A moment with its zone, or a span from now such as `30m`; ends the command for anything else."""
    if text is None:
        return None
    if text[-1:].lower() in UNITS:
        return (datetime.now().astimezone() + timedelta(seconds=seconds(text, option) or 0)).isoformat()
    try:
        moment: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise stopped(
            f"{option} 应为带时区的时刻，例如 2026-11-11T10:00+08:00，或时长 30m，现为“{text}”",
            f"{option} must be an instant with its zone, such as 2026-11-11T10:00+08:00, or a span such as 30m",
            code=2,
        )
    return moment.isoformat()


def _show(answer: CommandAccepted, dry_run: bool) -> None:
    after = Counter(effect.state_after for effect in answer.effects)
    listed = "、".join(f"{state_words(state).says.zh} {count}" for state, count in after.items())
    would = "将会（演练，未写入）/ would (rehearsal)" if dry_run else "已下达 / given"
    console().print(
        f"{would}：{answer.command_id}，涉及 {answer.affected} 个发布位 / {answer.affected} placements {listed}",
        style="yellow" if dry_run else "green", markup=False, soft_wrap=True,
    )  # fmt: skip
    if not answer.effects:
        return
    table = Table()
    for heading in ("发布位 / placement", "现在 / now", "之后 / then", "计划 / due", "说明 / notes"):
        table.add_column(heading, overflow="fold")
    for one in answer.effects[:SHOWN]:
        table.add_row(*map(cell, (one.placement_id, one.state, one.state_after, local(one.due_at), one.note)))
    console().print(table)
    if answer.affected > SHOWN:
        console().print(f"… 其余 {answer.affected - SHOWN} 个用 --json 查看 / the others with --json")
    if not dry_run:
        console().print("结果见 / what came of it: tongbo explain pl-…", style="dim")
