"""What a process loads until it is ready to work is counted: each module is processor time at every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

# The process → the most modules it may have loaded when it begins. A tenth more than today, so that a library that
# is loaded for one line of code is noticed. What only some runs need is imported where it is used.
MOST = {
    "services.adapter_weibo.__main__": 830,
    "services.adapter_wechat.__main__": 830,
    "services.adapter_douyin.__main__": 830,
    "services.publisher.__main__": 1000,
    "services.feedback_collector.__main__": 745,
    "services.engagement_aggregator.__main__": 760,
    "services.watchdog.__main__": 585,
    "services.webhooks.__main__": 630,
    "services.simulator.__main__": 430,
    "services.cli.main": 255,
}
# Commands that people call all day load little beside their own module.
COMMANDS = {"down": 425, "token": 465, "status": 630, "tail": 660, "publish": 620, "cancel": 635, "up": 675}
_COUNTED = "import importlib, sys; importlib.import_module(sys.argv[1]); print(len(sys.modules))"
_CALLED = """
import sys
from services.cli import commands
from services.cli.main import application
try:
    application()([sys.argv[1], "--help"])
except SystemExit as ended:
    assert not ended.code
own = commands.modules()[sys.argv[1]]
others = {module for module in commands.modules().values() if module in sys.modules} - {own}
print(len(sys.modules), *others)
"""


def _said(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("module", MOST)
def test_a_process_loads_no_more_modules_than_its_limit(module: str) -> None:
    assert int(_said(_COUNTED, module)[0]) <= MOST[module]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_its_own_module_and_few_others(command: str) -> None:
    loaded, *others = _said(_CALLED, command)
    assert others == []
    assert int(loaded) <= COMMANDS[command]
