"""JSON Schemas of event types, as msgspec derives them: what every generated document and every release is made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

JsonSchema = dict[str, Any]


def components(types: Iterable[type[Struct]], ref_template: str) -> dict[str, JsonSchema]:
    """The schemas of `types` and of all structs inside them, by name, sorted; references follow `ref_template`."""
    _, found = msgspec.json.schema_components(tuple(types), ref_template=ref_template)
    plain = msgspec.json.decode(msgspec.json.encode(found))  # defaults are Python values, tuples among them
    return {name: _tidied(plain[name]) for name in sorted(plain)}


def references(schema: Any) -> set[str]:
    """Names of the structs that a schema refers to."""
    if isinstance(schema, list):
        return {name for item in schema for name in references(item)}
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
    return here.union(*(references(part) for part in schema.values()))


def reached_from(name: str, schemas: dict[str, JsonSchema]) -> dict[str, JsonSchema]:
    """All structs that `name` is made of, itself left out, sorted."""
    found: set[str] = set()
    waiting = references(schemas[name])
    while waiting:
        found |= waiting
        waiting = {inner for outer in waiting for inner in references(schemas[outer])} - found
    return {inner: schemas[inner] for inner in sorted(found - {name})}


def _tidied(schema: JsonSchema) -> JsonSchema:
    """Docstrings come with their indentation, which is none of a reader's business."""
    if "description" in schema:
        return {**schema, "description": inspect.cleandoc(schema["description"])}
    return schema
