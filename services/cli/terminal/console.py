"""Where commands write. Everything printed here is made safe: text from the log, a platform or a file cannot steer the
terminal. Consoles are made when a command runs: one made at import would keep the terminal of the importer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from services.runtime.safe_text import safe


class SafeConsole(Console):
    """A console that shows control characters instead of sending them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Before widths are measured: a sign takes a cell where the control takes none."""
        return super().render_str(safe(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """For texts that were made elsewhere; rich's own control segments pass."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(safe(segment.text), segment.style)


def console() -> Console:
    """For the answer, on standard output."""
    return SafeConsole(highlight=False, emoji=False)


def errors() -> Console:
    """For refusals, hints and progress, on standard error."""
    return SafeConsole(stderr=True, highlight=False, emoji=False)


def cell(text: str) -> Text:
    """A table cell that shows `text` as it is: brackets in it are no markup."""
    return Text(safe(text))


def write(text: str, *, flush: bool = False) -> None:
    """One plain line for scripts (JSON, an id, an address), on standard output; JSON stays the same JSON."""
    print(safe(text), flush=flush)
