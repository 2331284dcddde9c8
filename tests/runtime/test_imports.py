"""What a process does not use it does not load: each library of this size is memory in every worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

from services.runtime.imports import left_out

_LOADED = """
import asyncio, importlib, sys
process = importlib.import_module({module!r})
if hasattr(process, "build"):  # Faust loads what its settings name when it is made
    from services.engagement_aggregator.partitions.owned import Counts
    from services.runtime.health import Health
    async def made():
        process.build(process.AggregatorSettings(), Counts(4, 4), Health(), print).finalize()
    asyncio.run(made())
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({libraries!r})))
for name in {libraries!r}:
    importlib.import_module(name)
import aiohttp.client
assert aiohttp.client.ClientSession.__module__ == "aiohttp.client"
"""


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        ("services.engagement_aggregator.__main__", ["aiohttp", "kafka", "rich"]),
        ("services.publisher.__main__", ["aiohttp", "rich"]),
        ("services.adapter_weibo.__main__", ["aiohttp", "rich"]),
    ],
)
def test_a_worker_loads_no_library_it_does_not_use_and_could_still_load_it(module: str, libraries: list[str]) -> None:
    code = _LOADED.format(module=module, libraries=libraries)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_what_is_left_out_is_missing_meanwhile_and_there_afterwards() -> None:
    name = "this"  # prints its verses when it is really loaded
    with left_out(name), pytest.raises(ImportError):
        __import__(name)
    with left_out("a.library", Kind=int):
        assert __import__("a.library", fromlist=["Kind"]).Kind is int
    assert not {name, "a.library"} & sys.modules.keys()


def test_what_is_loaded_already_stays_as_it_is() -> None:
    with left_out("json"):
        import json  # noqa: PLC0415 - inside is the case

        assert json.loads("1") == 1
    assert sys.modules["json"] is json
