"""The `tongbo` command: one file per command below `commands/`, each with `register(app)`, loaded when it is needed."""

from __future__ import annotations

import importlib
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from services.cli import commands
from services.runtime.logging import configure_logging

HELP = """同播：一份内容进来，按每个平台的样子发出去，再把反响收回来。

tongbo: one campaign in, every platform out, one set of numbers back.

\b
第一次使用 / first steps:
  tongbo up                                  启动流水线 / start the pipeline
  tongbo publish deploy/demo/campaign.yaml   发布示例活动 / publish the sample campaign
  tongbo status                              各发布位的状态 / where everything stands
  tongbo explain pl-…                        一个发布位的来龙去脉 / the life of one placement
  tongbo down                                停止 / stop
"""


class CommandsOnDemand(TyperGroup):
    """The commands below `commands/`: one that is called loads its own module, the list of all loads them all."""

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        if cmd_name not in self.commands:
            modules = commands.modules()  # for an unknown name all: the answer suggests the one that was meant
            self.commands.update(_loaded([modules[cmd_name]] if cmd_name in modules else modules.values()))
        return self.commands.get(cmd_name)  # type: ignore[return-value]

    def list_commands(self, ctx: Any) -> list[str]:
        self.commands = _loaded(commands.modules().values())
        return list(self.commands)


def _loaded(modules: Iterable[str]) -> dict[str, Any]:
    app = typer.Typer(rich_markup_mode=None)
    app.callback()(lambda: None)  # a group even where there is only one command
    with _ending_at_ctrl_c():
        for module in dict.fromkeys(modules):
            importlib.import_module(module).register(app)
    return dict(get_group(app).commands)


@contextmanager
def _ending_at_ctrl_c() -> Iterator[None]:
    """Ctrl-C while modules are loaded ends the process at once, without a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def application() -> typer.Typer:
    """The command with everything below `commands/`."""
    app = typer.Typer(
        name="tongbo", help=HELP, cls=CommandsOnDemand, no_args_is_help=True, rich_markup_mode=None,
        pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip

    @app.callback()
    def tongbo() -> None:
        """Keeps sub-commands even when there is only one."""

    tongbo.__doc__ = HELP
    return app


def main() -> None:
    configure_logging("cli", "0", "error")  # a command speaks to people; `up` and `demo` keep a log of their own
    application()()


if __name__ == "__main__":
    main()
