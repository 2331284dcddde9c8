"""`tongbo down`: end everything that `tongbo up` started in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.local.layout import Layout
from services.cli.local.session import end
from services.cli.terminal.console import console


def register(app: typer.Typer) -> None:
    app.command(help="停止 tongbo up 启动的所有进程 / stop everything that `tongbo up` started")(down)


def down(
    home: Annotated[Path, typer.Option(envvar="TONGBO_HOME", help="数据目录 / data folder")] = Path(".tongbo"),
) -> None:
    if end(Layout(home=home.resolve()), console().print):
        console().print("已全部停止 / all stopped", style="green")
    else:
        console().print("没有在运行的流水线 / nothing is running")
