"""`tongbo explain`: the life of a placement in plain words."""

from __future__ import annotations

from typing import Annotated

import typer

from services.adapter.contract.registry import UnknownPlatformError, adapter
from services.cli.publisher.client import RefusedByPublisherError
from services.cli.publisher.session import PublisherOption, connected
from services.cli.reports.story import Language, Tone, told
from services.cli.terminal.addresses import TokenOption
from services.cli.terminal.console import console
from services.runtime.safe_text import safe_line

HELP = """一个发布位的来龙去脉：计划、改写、每一步、未知结果如何查清、错误的含义与下一步。

The life of a placement: its plan, its form, every step, how an unknown outcome was cleared, what an error means.

\b
例 / examples:
  tongbo explain pl-0f3a…
  tongbo explain pl-0f3a… --lang en
"""
STYLES: dict[Tone, str] = {
    "title": "bold", "plain": "", "good": "green", "bad": "red", "wait": "yellow", "dim": "dim",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    app.command(help=HELP)(explain)


def explain(
    placement: Annotated[str, typer.Argument(help="发布位编号 / placement id (tongbo status)")],
    lang: Annotated[Language, typer.Option(help="语言 / language")] = "zh",
    publisher: PublisherOption = None,
    token: TokenOption = None,
) -> None:
    with connected(publisher, token, refusal=_with_hint) as client:
        detail = client.placement(placement)
    for line in told(detail, _named(detail.status.platform, lang), lang):
        console().print(safe_line(line.text), style=STYLES[line.tone], markup=False, soft_wrap=True)


def _with_hint(refused: RefusedByPublisherError) -> str:
    return f"{refused}；编号见 tongbo status 活动编号" if refused.finds_nothing else str(refused)


def _named(platform: str, language: Language) -> str:
    try:
        name = adapter(platform).name
    except UnknownPlatformError:
        return platform
    return name.zh if language == "zh" else name.en
