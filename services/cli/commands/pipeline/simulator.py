"""`tongbo simulator`: the simulated platforms alone, for any client of these platforms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.adapter.contract.registry import platforms
from services.runtime.logging import configure_logging
from services.simulator.run import run
from services.simulator.settings import DEFAULT_ACCOUNTS, DEFAULT_PORT, SimulatorSettings

HELP = f"""单独运行平台模拟器：{"、".join(f"/{name}" for name in platforms())} 与管理接口 /_sim，只监听本机。

Run the simulated platforms alone. Each platform's real paths stand below its name; app ids and secrets that it accepts
are printed.

例 / example:  tongbo simulator --port 8900 --speed 60
"""


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(simulator)


def simulator(
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口，0 = 任意空闲端口 / port, 0 = any")] = DEFAULT_PORT,
    audience: Annotated[
        Path | None, typer.Option(help="录制的传播数据（.jsonl 或 .jsonl.gz）/ file of recorded cascades")
    ] = None,
    speed: Annotated[float, typer.Option(min=0, help="模拟时钟倍速 / speed of the simulated clock")] = 1.0,
    seed: Annotated[int, typer.Option(help="受众模型的随机种子 / seed of the audience model")] = 1,
    accounts: Annotated[Path, typer.Option(help="账号文件 / accounts file")] = DEFAULT_ACCOUNTS,
) -> None:
    configure_logging("simulator", "0")
    settings = SimulatorSettings(port=port, audience=audience, speed=speed, seed=seed, accounts=accounts)
    raise typer.Exit(run(settings))
