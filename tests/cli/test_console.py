"""A command writes to the terminal it runs in, whoever imported it first."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
from rich.cells import cell_len
from rich.console import Console

import services.cli
from services.cli.commands.access import token
from tests.cli.conftest import Run


def test_no_command_keeps_the_terminal_of_whoever_imported_it() -> None:
    kept = [
        f"{found.name}.{name}"
        for found in pkgutil.walk_packages(services.cli.__path__, "services.cli.")
        for name, value in vars(importlib.import_module(found.name)).items()
        if isinstance(value, Console)
    ]
    assert kept == []


def test_a_table_is_as_wide_as_the_terminal_of_its_run_and_not_of_the_import(
    tongbo: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    importlib.reload(token)
    assert tongbo("token", "new", "--name", "wang-" + "x" * 50, "--role", "read", "--brand", "qinghe").code == 0
    for width in (50, 90):
        monkeypatch.setenv("COLUMNS", str(width))
        listed = tongbo("token", "list")
        assert (listed.code, max(cell_len(line) for line in listed.out.splitlines())) == (0, width)
