"""Finds the event types by name: every tagged struct that a module of this package defines. Nobody keeps a list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType

from msgspec import Struct

import schemas.events
import schemas.internal
from schemas.contract.topic_files import TopicFileError, TopicSpec


@cache
def event_types() -> Mapping[str, type[Struct]]:
    """All tagged structs of this package by their name; raises TypeError where two modules define the same name."""
    found: dict[str, type[Struct]] = {}
    for package in (schemas.events, schemas.internal):
        for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
            for struct in _defined_in(f"{package.__name__}.{info.name}"):
                if struct.__name__ in found:
                    raise TypeError(f"two event types are named {struct.__name__}")
                found[struct.__name__] = struct
    return MappingProxyType(found)


def types_of(spec: TopicSpec) -> tuple[type[Struct], ...]:
    """The types of a topic; raises TopicFileError for a name that no module defines."""
    known = event_types()
    for name in spec.types:
        if name not in known:
            raise TopicFileError(
                f"主题 {spec.name} 的 types 列出 {name}，schemas/ 中没有这个类型：改正名字或先写类型"
                f" / topic {spec.name} names the type {name}, which does not exist"
            )
    return tuple(known[name] for name in spec.types)


def published_types(specs: Iterable[TopicSpec]) -> dict[str, type[Struct]]:
    """The types that travel on `specs`, by name, sorted."""
    found = {struct.__name__: struct for spec in specs for struct in types_of(spec)}
    return dict(sorted(found.items()))


def _defined_in(module: str) -> list[type[Struct]]:
    members = vars(importlib.import_module(module)).values()
    structs = [m for m in members if isinstance(m, type) and issubclass(m, Struct) and m.__module__ == module]
    return [struct for struct in structs if struct.__struct_config__.tag is not None]
