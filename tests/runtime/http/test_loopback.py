"""No service listens beyond this machine unless it is told to."""

from __future__ import annotations

import dataclasses
import importlib
import ipaddress
import re
from pathlib import Path

import pytest

from services.runtime.settings import ServiceSettings, describe_type

ROOT = Path(__file__).parents[3]
MAINS = sorted(path.parent.name for path in (ROOT / "services").glob("*/__main__.py"))


def settings_types() -> list[type[ServiceSettings]]:
    for name in MAINS:
        importlib.import_module(f"services.{name}.__main__")
    found, more = [ServiceSettings], list(ServiceSettings.__subclasses__())
    while more:
        one = more.pop()
        more += one.__subclasses__()
        found.append(one)
    return [one for one in found if one.__module__.startswith("services.")]


def test_every_address_that_can_be_set_is_this_machine_unless_it_is_set() -> None:
    hosts = {
        (kind.__name__, one.name): str(one.default)
        for kind in settings_types()
        for one in dataclasses.fields(kind)
        if re.search("host|address|listen", one.name)
    }
    assert ("ServiceSettings", "http_host") in hosts
    assert len({kind for kind, _ in hosts}) >= 6
    assert [name for name, default in hosts.items() if not ipaddress.ip_address(default).is_loopback] == []


@pytest.mark.parametrize("variable", ["TONGBO_HTTP_HOST", "TONGBO_PUBLISHER_HOST", "TONGBO_CALLBACK_HOST"])
def test_help_and_both_readmes_name_the_setting(variable: str) -> None:
    assert any(row.variable == variable for kind in settings_types() for row in describe_type(kind))
    for page in ("README.md", "README.zh.md"):
        assert variable in (ROOT / page).read_text()


def test_no_code_asks_for_every_interface_by_itself() -> None:
    everywhere = re.compile(r"""["'](0\.0\.0\.0|::)["']|\(\(["']["'],""")
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "services").rglob("*.py")
        for line in path.read_text().splitlines()
        if everywhere.search(line) and "host in (" not in line  # where such an address is told from others
    }
    assert found == set()
