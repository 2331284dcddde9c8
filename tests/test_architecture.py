"""The tree keeps the layout and import rules; and each rule is shown to notice a tree that does not."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import architecture_rules as rules
from tests.architecture_rules import ADAPTER_FILES, RULES, Rule, Tree

ROOT = Path(__file__).parents[1]
Plant = Callable[[dict[str, str]], Tree]
EXPORT = 'ADAPTER = object()\n__all__ = ["ADAPTER"]\n'
NO_PACKAGE = "# the folder of this module has no __init__.py"
SOUND = {
    "schemas/events/envelope.py": "import msgspec\n",
    "services/runtime/clock.py": "import schemas.events.envelope\n",
    "services/runtime/kafka/producer.py": "import kafka\n",
    "services/adapter/wire/http.py": "import httpx, threading\n",
    "services/adapter/contract/registry.py": '"""Serves alpha and beta."""\nimport importlib\nPREFIX = "adapter_"\n',
    "services/publisher/desks/contents.py": "import services.adapter.contract.registry, services.runtime.clock\n",
    "services/engagement_aggregator/fold/fold.py": "import msgspec, schemas.events.envelope\n",
    "services/engagement_aggregator/app.py": "import faust, aiokafka\n",
    "services/simulator/http/server.py": "import aiohttp\n",
    "services/cli/commands/pipeline/simulator.py": "import services.simulator.http.server\n",
    "services/runtime/embedded_broker/jars.py": "import jgo\n",
    "services/runtime/http/server.py": "import uvicorn\n",
    "tests/schemas/test_x.py": "",
    "services/publisher/records.py": "@dataclass(frozen=True)\nclass Fact:\n    "
    + "\n    ".join(f"field_{number}: int" for number in range(12))
    + "\n    def told(self): ...",
    **{
        f"services/{name}/README.md": "x\n"
        for name in ("adapter", "cli", "engagement_aggregator", "publisher", "runtime", "simulator")
    },
    **{f"services/adapter_{name}/{file}": "" for name in ("alpha", "beta") for file in ADAPTER_FILES - {"simulator"}},
    **{f"services/adapter_{name}/__init__.py": EXPORT for name in ("alpha", "beta")},
    **{f"services/adapter_{name}/client.py": "import httpx\n" for name in ("alpha", "beta")},
    "services/adapter_alpha/simulator.py": "import aiohttp, services.simulator",
    "services/adapter_beta/simulator/__init__.py": "import services.adapter_beta.simulator.bodies",
    "services/adapter_beta/simulator/bodies.py": "import aiohttp, services.simulator",
}
_NAMES = [f"part_{number}" for number in range(11)]
_CONSTRUCTOR = f"class Desk:\n    def __init__(self, {', '.join(_NAMES[:5])}, *, {', '.join(_NAMES[5:])}): ..."
_DATACLASS = "\n    ".join(
    ["@dataclass(slots=True)\nclass Desk:", *(f"{name}: int" for name in _NAMES), "def act(self): ..."]
)
BROKEN: list[tuple[Rule, dict[str, str], str]] = [
    (rules.no_module_hides_from_the_rules, {"services/hidden/worker.py": NO_PACKAGE}, "services.hidden.worker"),
    (
        rules.schemas_import_nothing_of_ours,
        {"schemas/events/content.py": "import services.runtime.clock"},
        "schemas.events.content",
    ),
    (
        rules.due_time_and_identity_stand_once,
        {"services/publisher/plan.py": "due = target.schedule.due_at if target.schedule else now"},
        "services/publisher/plan.py",
    ),
    (
        rules.due_time_and_identity_stand_once,
        {"services/watchdog/late.py": "key = placement_id(\n    brand_id=content.brand_id)"},
        "services/watchdog/late.py",
    ),
    (
        rules.runtime_imports_no_service,
        {"services/runtime/loop.py": "import services.adapter.wire.http"},
        "runtime.loop",
    ),
    (rules.runtime_imports_no_service, {"services/runtime/loop.py": "import services.adapter_beta"}, "adapter_beta"),
    (
        rules.adapters_never_reach_each_other,
        {"services/adapter_alpha/publish.py": "from services.adapter_beta import limits"},
        "services.adapter_alpha.publish → services.adapter_beta",
    ),
    (
        rules.adapters_never_reach_each_other,
        {
            "services/adapter_alpha/publish.py": "import services.adapter.between",
            "services/adapter/between.py": "import services.adapter_beta.limits",
        },
        "services.adapter_alpha.publish → services.adapter.between → services.adapter_beta.limits",
    ),
    (
        rules.no_service_imports_an_adapter,
        {"services/publisher/fit.py": "def fit():\n    from services.adapter_alpha.limits import x"},
        "services.publisher.fit imports services.adapter_alpha.limits",
    ),
    (rules.no_service_names_a_platform, {"services/publisher/fit.py": 'if p == "alpha": pass'}, "fit.py:1 names"),
    (
        rules.no_service_names_a_platform,
        {"services/cli/commands/pipeline/up.py": 'x = f"services.adapter_beta{y}"'},
        "up.py:1 names",
    ),
    (rules.each_library_has_its_home, {"services/publisher/send.py": "import kafka"}, "services.publisher.send"),
    (rules.each_library_has_its_home, {"services/runtime/waits.py": "from kafka.errors import K"}, "runtime.waits"),
    (rules.each_library_has_its_home, {"services/publisher/stream.py": "import faust"}, "services.publisher.stream"),
    (rules.each_library_has_its_home, {"services/runtime/kafka/a.py": "import aiokafka"}, "services.runtime.kafka.a"),
    (rules.each_library_has_its_home, {"services/runtime/web.py": "import httpx"}, "services.runtime.web"),
    (rules.each_library_has_its_home, {"services/adapter_alpha/publish.py": "import httpx"}, "adapter_alpha.publish"),
    (
        rules.each_library_has_its_home,
        {"services/publisher/http/routes.py": "import aiohttp"},
        "services.publisher.http.routes",
    ),
    (rules.each_library_has_its_home, {"services/publisher/app.py": "import uvicorn"}, "services.publisher.app"),
    (
        rules.pure_modules_do_no_input_or_output,
        {"services/adapter_alpha/localise.py": "import subprocess"},
        "services.adapter_alpha.localise → subprocess",
    ),
    (
        rules.pure_modules_do_no_input_or_output,
        {"services/adapter_alpha/limits.py": "import services.adapter.wire.http"},
        "services.adapter_alpha.limits → services.adapter.wire.http",
    ),
    (rules.pure_modules_do_no_input_or_output, {"services/adapter_beta/errors.py": "x = open('y')"}, "opens files"),
    (
        rules.pure_modules_do_no_input_or_output,
        {"services/engagement_aggregator/fold/fold.py": "import rocksdict"},
        "services.engagement_aggregator.fold.fold → rocksdict",
    ),
    (
        rules.production_imports_no_simulator,
        {"services/adapter_alpha/publish.py": "from services.adapter_alpha import simulator"},
        "services.adapter_alpha.publish",
    ),
    (
        rules.production_imports_no_simulator,
        {"services/adapter_beta/publish.py": "import services.adapter_beta.simulator.bodies"},
        "services.adapter_beta.publish",
    ),
    (
        rules.production_imports_no_simulator,
        {"services/publisher/fit.py": "import services.simulator.http.server"},
        "services.publisher.fit",
    ),
    (rules.adapter_folders_have_the_same_files, {"services/adapter_alpha/extra.py": ""}, "adapter_alpha has extra.py"),
    (rules.adapter_folders_have_the_same_files, {"services/adapter_new/__init__.py": EXPORT}, "adapter_new lacks"),
    (
        rules.adapters_export_adapter_and_nothing_else,
        {"services/adapter_alpha/__init__.py": '__all__ = ["ADAPTER", "Client"]'},
        "adapter_alpha/__init__.py exports",
    ),
    (rules.no_package_files_below_tests, {"tests/schemas/__init__.py": ""}, "tests/schemas/__init__.py"),
    (
        rules.folders_are_rooms,
        {f"services/publisher/part_{number}.py": "" for number in range(16)},
        "services/publisher holds",
    ),
    (rules.folders_are_rooms, {f"tests/cli/test_{number}.py": "" for number in range(16)}, "tests/cli holds 16"),
    (rules.files_fit_into_one_reading, {"services/publisher/long.py": "x = 1\n" * 401}, "long.py has 401 lines"),
    (rules.files_fit_into_one_reading, {"tests/test_long.py": "x = 1\n" * 401}, "test_long.py has 401 lines"),
    (rules.files_fit_into_one_reading, {"services/adapter/c/long.c": "int x;\n" * 401}, "long.c has 401 lines"),
    (
        rules.no_import_circles,
        {"services/runtime/a.py": "import services.runtime.b", "services/runtime/b.py": "import services.runtime.a"},
        "services.runtime.a → services.runtime.b → services.runtime.a",
    ),
    (
        rules.no_import_circles,
        {
            "services/runtime/a.py": "import typing\nif typing.TYPE_CHECKING:\n    import services.runtime.b",
            "services/runtime/b.py": "import services.runtime.c",
            "services/runtime/c.py": "import services.runtime.a",
        },
        "services.runtime.a → services.runtime.b → services.runtime.c → services.runtime.a",
    ),
    (
        rules.services_import_only_libraries,
        {"services/webhooks/stage.py": "import services.publisher.desks.contents"},
        "services.webhooks.stage imports services.publisher.desks.contents",
    ),
    (
        rules.services_import_only_libraries,
        {"services/publisher/desk.py": "import services.cli.commands.pipeline.simulator"},
        "services.publisher.desk imports services.cli.commands.pipeline.simulator",
    ),
    (
        rules.services_import_only_libraries,
        {"services/adapter/registry.py": "def f():\n    from services.publisher.desks import contents"},
        "services.adapter.registry imports services.publisher.desks.contents",
    ),
    (
        rules.constructors_take_few_parameters,
        {"services/publisher/desk.py": _CONSTRUCTOR},
        "desk.Desk is built from 11",
    ),
    (rules.constructors_take_few_parameters, {"services/publisher/desk.py": _DATACLASS}, "desk.Desk is built from 11"),
    (
        rules.classes_have_names_of_their_own,
        {"services/publisher/one.py": "class Entry: ...", "schemas/two.py": "class Entry: ..."},
        "Entry is defined in schemas.two and services.publisher.one",
    ),
    (rules.every_service_has_a_readme, {"services/webhooks/stage.py": ""}, "services/webhooks has no README.md"),
    (rules.every_service_has_a_readme, {"services/publisher/README.md": "x\n" * 61}, "README.md has 61 lines"),
]


def _make_packages(folder: Path, root: Path) -> None:
    while folder != root:
        (folder / "__init__.py").touch()
        folder = folder.parent


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Writes a small tree of the same package names and puts it before the real one for as long as the test runs."""

    def written(files: dict[str, str]) -> Tree:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text != NO_PACKAGE and not name.startswith("tests"):
                _make_packages(path.parent, tmp_path)
            path.write_text(text)
        for package_name in ("services", "schemas"):
            monkeypatch.delitem(sys.modules, package_name, raising=False)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        return Tree(tmp_path)

    return written


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps_the_rule(rule: Rule, tree: Tree) -> None:
    assert rule(tree) == []


def test_the_rules_look_at_the_whole_tree(tree: Tree) -> None:
    assert len(tree.adapters) >= 3
    assert {"services.adapter.contract", "services.runtime.consume", "schemas.events.envelope"} <= tree.modules.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_tree_breaks_no_rule(rule: Rule, plant: Plant) -> None:
    assert rule(plant(SOUND)) == []


@pytest.mark.parametrize(("rule", "files", "named"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_tree_is_noticed_and_the_culprit_named(
    rule: Rule, files: dict[str, str], named: str, plant: Plant
) -> None:
    found = rule(plant({**SOUND, **files}))
    assert any(named in each for each in found), found


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)
