"""How a command ends when it cannot go on: one message for people, Chinese first, and an exit code for scripts."""

from __future__ import annotations

import typer

from services.cli.terminal.console import errors


def stopped(message: str, message_en: str, *, code: int = 1) -> typer.Exit:
    """Say why, then `raise` what this returns. Codes: 1 it was tried and failed, 2 it could not be tried."""
    errors().print(message, style="bold red", markup=False, soft_wrap=True)
    if message_en:
        errors().print(message_en, style="red", markup=False, soft_wrap=True)
    return typer.Exit(code)
