"""What the simulator can be told on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8900
DEFAULT_ACCOUNTS = Path("deploy/demo/accounts.yaml")


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """audience None: the seeded model. port 0: any free one. hide_secrets: for output that is kept as a log.
    callbacks: where accounts without a `callback_url` of their own are called back; None: they are not."""

    port: int = DEFAULT_PORT
    audience: Path | None = None
    speed: float = 1.0
    seed: int = 1
    accounts: Path = DEFAULT_ACCOUNTS
    hide_secrets: bool = False
    callbacks: str | None = None


def parse(arguments: Sequence[str] | None = None) -> SimulatorSettings:
    """The settings of a command line; ends the process with the usage where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m services.simulator",
        description="平台模拟器，只监听本机 / the simulated platforms, on loopback only",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="共用端口 / shared port (0: any)")
    parser.add_argument("--audience", type=Path, help="录制的传播数据 / file of recorded cascades (.jsonl, .jsonl.gz)")
    parser.add_argument("--speed", type=float, default=1.0, help="模拟时钟倍速 / speed of the simulated clock")
    parser.add_argument("--seed", type=int, default=1, help="随机种子 / seed of all randomness")
    parser.add_argument("--accounts", type=Path, default=DEFAULT_ACCOUNTS, help="账号文件 / accounts file")
    parser.add_argument("--hide-secrets", action="store_true", help="不打印密钥 / print no app secrets")
    parser.add_argument("--callbacks", help="回调接收地址 / base address of the receiver of callbacks")
    return SimulatorSettings(**vars(parser.parse_args(arguments)))
