"""Where commands write; consoles are made here only, and when a command runs: one made at import keeps the terminal of
the importer. Code that draws a bar or a spinner prints through the same console meanwhile.
"""

from __future__ import annotations

from rich.console import Console


def console() -> Console:
    """What was asked for, on standard output."""
    return Console(highlight=False, emoji=False)


def errors() -> Console:
    """What is no part of the answer: refusals, hints, progress."""
    return Console(stderr=True, highlight=False, emoji=False)
