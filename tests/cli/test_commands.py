"""`tongbo` finds a command by the name of its file, without loading the files of the others."""

from __future__ import annotations

import importlib

import pytest
import typer
from typer.main import get_group
from typer.testing import CliRunner

from services.cli import commands
from services.cli.main import application


@pytest.mark.parametrize("module", sorted(set(commands.modules().values())))
def test_a_file_holds_the_commands_under_whose_names_it_is_found(module: str) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    importlib.import_module(module).register(app)
    assert set(get_group(app).commands) == {name for name, found in commands.modules().items() if found == module}


def test_the_help_lists_every_command() -> None:
    listed = {line.split()[0] for line in CliRunner().invoke(application(), ["--help"]).stdout.splitlines() if line}
    assert commands.modules().keys() <= listed


def test_a_misspelt_command_is_answered_with_the_one_that_was_meant() -> None:
    answer = CliRunner().invoke(application(), ["canel"])
    assert answer.exit_code == 2
    assert "'cancel'" in answer.stderr
