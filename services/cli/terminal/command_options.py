"""The options that every operator command has: who gives it, why, and where. What it is about is the command's own."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from services.cli.publisher.session import PublisherOption
from services.cli.terminal.addresses import TokenOption

ReasonOption = Annotated[
    str, typer.Option("--reason", help="为什么，记入台账 / why, kept in the ledger", show_default=False)
]
ActorOption = Annotated[
    str | None, typer.Option("--actor", help="谁下的指令，默认当前系统用户 / who commands, default: the system's user")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="只看会怎样，什么也不写 / only show what would happen")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON / print JSON")]
CommandId = Annotated[
    str | None, typer.Option("--command-id", help="重发同一指令时用同一编号 / the same id repeats the same command")
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a command is given; each field is an option of every command."""

    reason: ReasonOption
    actor: ActorOption = None
    dry_run: DryRun = False
    as_json: AsJson = False
    command_id: CommandId = None
    publisher: PublisherOption = None
    token: TokenOption = None


def command_options(run: Callable[..., None]) -> Callable[..., None]:
    """Turn `run(how, …)` into a typer command that has the options of `How` beside its own parameters."""
    hints = get_type_hints(run, include_extras=True)
    subject = [
        one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for one in list(inspect.signature(run).parameters.values())[1:]
    ]
    options = _options()

    @functools.wraps(run)
    def command(**given: Any) -> None:
        how = How(**{one.name: given.pop(one.name) for one in options})
        run(how, **given)

    every = sorted(
        [*subject, *options], key=lambda one: one.default is not inspect.Parameter.empty
    )  # needed ones first
    command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]  # what typer reads
    command.__annotations__ = {one.name: one.annotation for one in every}
    return command


def _options() -> list[inspect.Parameter]:
    hints = get_type_hints(How, include_extras=True)
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if one.default is dataclasses.MISSING else one.default,
            annotation=hints[one.name],
        )
        for one in dataclasses.fields(How)
    ]
