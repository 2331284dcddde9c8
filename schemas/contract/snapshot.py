"""What a release promised: topics, types and examples in one file that later versions are compared with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from schemas.contract.event_types import published_types
from schemas.contract.json_schema import components
from schemas.contract.topic_files import TEMPLATE_FIELD, TopicSpec, contract_topics

HOME = Path(__file__).parents[1]
RELEASED = HOME / "released"

Snapshot = dict[str, Any]


def snapshot_of(specs: Iterable[TopicSpec], home: Path = HOME) -> Snapshot:
    """The comparable form of `specs`, their types and their valid examples."""
    chosen = tuple(specs)
    return {
        "topics": {spec.name: _topic(spec) for spec in chosen},
        "types": components(published_types(chosen).values(), "#/types/{name}"),
        "examples": {spec.name: _examples(home / spec.examples) for spec in chosen},
    }


def snapshot_today() -> Snapshot:
    """The snapshot of the tree as it is."""
    return snapshot_of(contract_topics())


def written(snapshot: Snapshot) -> str:
    """The one spelling of a snapshot on disk."""
    return json.dumps(snapshot, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def released(folder: Path = RELEASED) -> list[Path]:
    """All baselines, oldest first."""
    return sorted(folder.glob("*.json"), key=lambda path: int(path.stem))


def readable_name(topic: str) -> str:
    """A name that `topic()` knows, also for the template of the dead-letter topics."""
    return topic.replace(TEMPLATE_FIELD, "service")


def _topic(spec: TopicSpec) -> dict[str, Any]:
    return {
        "keys": dict(spec.keys),
        "partition_by": spec.partition_by,
        "partitions": spec.partitions,
        "cleanup_policy": spec.cleanup_policy,
        "retention_ms": int(spec.config["retention.ms"]),
        "types": sorted(spec.types),
    }


def _examples(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
