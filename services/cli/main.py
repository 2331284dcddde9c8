"""The `tongbo` command: finds one file per command below `commands/`, each with `register(app)`."""

from __future__ import annotations

import importlib
import pkgutil
import signal

import typer

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


def application() -> typer.Typer:
    """The command with everything below `commands/`."""
    app = typer.Typer(
        name="tongbo", help=HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip

    @app.callback()
    def tongbo() -> None:
        """Keeps sub-commands even when there is only one."""

    tongbo.__doc__ = HELP
    found = pkgutil.walk_packages(commands.__path__, f"{commands.__name__}.")
    for module in sorted((one.name for one in found if not one.ispkg), key=lambda name: name.rpartition(".")[2]):
        importlib.import_module(module).register(app)
    return app


def main() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while the commands are being loaded: no traceback
    app = application()
    signal.signal(signal.SIGINT, before)
    configure_logging("cli", "0", "error")  # a command speaks to people; `up` and `demo` keep a log of their own
    app()


if __name__ == "__main__":
    main()
