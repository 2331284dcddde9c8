"""`python -m schemas.contract.generate` writes the documents below docs/; `--check` names those out of date."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.contract.asyncapi import asyncapi
from schemas.contract.catalogue import catalogue, read_glossary
from schemas.contract.dictionary import dictionary
from schemas.contract.event_types import published_types
from schemas.contract.json_schema import components, reached_from
from schemas.contract.topic_files import TopicSpec, topic_templates

DOCS = Path(__file__).parents[2] / "docs"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def documents(specs: Sequence[TopicSpec]) -> dict[str, str]:
    """Every generated document: path below docs/ → text. Internal topics stand in the catalogue's list only."""
    contract = [spec for spec in specs if not spec.internal]
    return {
        "asyncapi.yaml": asyncapi(contract),
        "catalogue.md": catalogue(specs, read_glossary()),
        "data-dictionary.md": dictionary(specs, read_glossary()),
        **{f"schemas/{name}.schema.json": text for name, text in _json_schemas(contract).items()},
    }


def drifted(wanted: dict[str, str], docs: Path = DOCS) -> list[str]:
    """Documents that are missing, other than they should be, or left over from a type that is gone."""
    present = {f"schemas/{path.name}" for path in (docs / "schemas").glob("*.schema.json")}
    changed = [name for name, text in wanted.items() if _read(docs / name) != text]
    return sorted({*changed, *(present - wanted.keys())})


def write(wanted: dict[str, str], docs: Path = DOCS) -> list[str]:
    """Bring docs/ up to date; answers what was changed."""
    changed = drifted(wanted, docs)
    for name in changed:
        path = docs / name
        if name not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """0 = up to date (or written), 1 = drifted."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas.contract.generate", description="生成契约文档 / contract documents"
    )
    parser.add_argument("--check", action="store_true", help="只检查，不写 / only check, write nothing")
    options = parser.parse_args(arguments)
    wanted = documents(topic_templates())
    if not options.check:
        changed = write(wanted)
        print("\n".join(f"已写入 / written: docs/{name}" for name in changed) or "没有变化 / no change")
        return 0
    stale = drifted(wanted)
    if stale:
        print(
            "文档与 schemas/ 不一致，请运行 make schemas / documents have drifted, run make schemas:", file=sys.stderr
        )
        print(*(f"  - docs/{name}" for name in stale), sep="\n", file=sys.stderr)
    return 1 if stale else 0


def _json_schemas(specs: Sequence[TopicSpec]) -> dict[str, str]:
    types = published_types(specs)
    schemas = components(types.values(), "#/$defs/{name}")
    return {
        name: json.dumps(
            {"$schema": _DIALECT, **schemas[name], "$defs": reached_from(name, schemas)}, ensure_ascii=False, indent=2
        )
        + "\n"
        for name in types
    }


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
