"""Shows a demonstration: a live table in a terminal, else a short line now and then; the verdict at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from services.cli.demo.demonstration import Demonstration
from services.cli.demo.screen import View, screen, states_of
from services.cli.demo.settlement import Settlement
from services.cli.terminal.console import console

LINE_EVERY_S = 5.0
FILE_WIDTH = 120
WRONG_SHOWN = 20


def demo_console() -> Console:
    """Where there is no terminal lines have a width of their own, so that tables are not torn."""
    out = console()
    if not out.is_terminal:
        out.width = FILE_WIDTH
    return out


class Display:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._line_at = 0.0
        self._shown = ""

    @contextmanager
    def live(self, *, leave: bool) -> Iterator[None]:
        """Within this `show` draws. leave: the last picture stays on the screen."""
        if not self._console.is_terminal:
            yield
            return
        with Live(
            console=self._console, auto_refresh=False, transient=not leave, vertical_overflow="crop"
        ) as self._live:
            yield
        self._live = None

    def show(self, told: Demonstration, headline: str) -> None:
        if self._live is not None:
            size = self._console.size
            self._live.update(screen(view_of(told, headline), size.width, size.height - 1), refresh=True)
        elif not self._console.is_terminal and time.monotonic() - self._line_at >= LINE_EVERY_S:
            self._line_at = time.monotonic()
            line = f"评论 {sum(told.comments().values())}   {states_of(view_of(told, ''))}"
            if line != self._shown:
                self._console.print(f"  {headline}   {line}", markup=False, soft_wrap=True)
            self._shown = line

    def verdict(self, told: Demonstration, settlement: Settlement) -> None:
        self._console.print(screen(view_of(told, "结束 / settled"), self._console.width, None))
        self._console.print()
        self._console.print(_summary(settlement))


def view_of(told: Demonstration, headline: str) -> View:
    """What is known of the campaign now; other campaigns of the same cluster are left out."""
    campaign = told.published.campaign_id if told.published else None
    brands = {record.brand_id for record in told.records()}
    rows = dict(told.watching.rows)
    return View(
        headline=headline,
        expected=len(told.expected),
        records=told.records(),
        rows={
            key: row
            for key, row in rows.items()
            if campaign and (row.campaign_id == campaign or (row.scope == "brand" and row.brand_id in brands))
        },
        comments=told.comments(),
        latest=told.watching.latest_of(campaign) if campaign else (),
        lags=told.lags,
        restarts=told.pipeline.supervisor.restarts(),
    )


def _summary(settlement: Settlement) -> Table:
    """What was expected beside what was found."""
    table = Table(title="核对 / settlement", title_justify="left", title_style="bold cyan")
    for heading in ("", "应有 / expected", "实有 / found", "差异 / differences"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    states = ", ".join(f"{state} {count}" for state, count in sorted(settlement.placements.by_state.items()))
    posts, feedback, rows = settlement.posts, settlement.feedback, settlement.aggregates
    not_live = settlement.placements.expected - settlement.placements.by_state.get("LIVE", 0)
    lines = (
        ("发布位 / placements", settlement.placements.expected, states, f"未上线 {not_live}"),
        ("帖子 / posts", posts.expected, posts.on_platform, f"重复 {posts.doubled}，缺失 {posts.missing}"),
        ("评论 / comments", feedback.true, feedback.collected, f"缺失 {feedback.missing}，重复 {feedback.repeated}"),
        ("汇总行 / aggregate rows", rows.rows, rows.rows - len({one.key for one in rows.wrong}),
         f"不符 {len(rows.wrong)}"),
    )  # fmt: skip
    for line in lines:
        table.add_row(*(str(one) for one in line))
    for one in rows.wrong[:WRONG_SHOWN]:
        table.add_row(f"  {one.key}", str(one.expected), str(one.got), one.metric, style="red")
    verdict = "全部相符 / all equal" if settlement.ok else "有差异 / something differs"
    table.caption = f"{verdict}，{settlement.seconds:g} 秒 / seconds"
    table.caption_style = "bold green" if settlement.ok else "bold red"
    return table
