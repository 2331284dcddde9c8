"""Compares two snapshots: what would break a reader, or make what is already on the log unreadable. Pure.

Readers are rolled out before writers, so a wider type, a new optional field and a new type are no break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from schemas.contract.json_schema import JsonSchema
from schemas.contract.snapshot import Snapshot

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_STRUCT = "x-struct"  # which struct a resolved reference named
_EXACT = ("pattern", "format", "const", "propertyNames", "prefixItems", "contentEncoding")


@dataclass(frozen=True, slots=True)
class Break:
    """One breaking change. where: `Type.field` or the topic. code: constant name of the rule."""

    where: str
    code: str
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.where}：{self.zh} / {self.en} [{self.code}]"


def breaks(old: Snapshot, new: Snapshot) -> list[Break]:
    """Every breaking change from `old` to `new`; structs are compared by name, each once."""
    found = [*_topics(old["topics"], new["topics"])]
    shared = old["types"].keys() & new["types"].keys()
    comparison = _Types(old["types"], new["types"])
    for name in sorted(shared):
        found += comparison.compare(name, old["types"][name], new["types"][name])
    return found


def _topics(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Break]:
    for name, before in sorted(old.items()):
        if name not in new:
            yield Break(name, "topic_removed", "主题没有了", "the topic is gone")
            continue
        yield from _topic(name, before, new[name])


def _topic(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Break]:
    for kind in sorted(set(old["types"]) - set(new["types"])):
        yield Break(f"{name}.{kind}", "type_removed", "主题上不再有这个类型", "the topic no longer carries this type")
    for kind in sorted(set(old["types"]) & set(new["types"])):
        if old["keys"][kind] != new["keys"][kind]:
            yield _changed(f"{name}.{kind}", "key_changed", "键", "key", old["keys"][kind], new["keys"][kind])
    for what, zh in (("partition_by", "分区依据"), ("partitions", "分区数"), ("cleanup_policy", "清理策略")):
        if old[what] != new[what]:
            yield _changed(name, f"{what}_changed", zh, what, old[what], new[what])
    before, after = (retention["retention_ms"] for retention in (old, new))
    if after != -1 and (before == -1 or after < before):
        yield _changed(name, "retention_shortened", "保留时间", "retention.ms", before, after)


class _Types:
    """Walks the schemas of two releases side by side."""

    def __init__(self, old: dict[str, JsonSchema], new: dict[str, JsonSchema]) -> None:
        self._old = old
        self._new = new

    def compare(self, where: str, old: JsonSchema, new: JsonSchema) -> Iterator[Break]:
        olds, news = _alternatives(old, self._old), _alternatives(new, self._new)
        for kind, before in olds.items():
            if kind in news:
                yield from self._same_kind(where, before, news[kind])
            elif len(olds) == len(news) == 1:
                yield _changed(where, "type_changed", "类型", "type", kind, next(iter(news)))
            else:
                yield Break(where, "narrowed", f"不再接受 {kind}", f"no longer takes {kind}")

    def _same_kind(self, where: str, old: JsonSchema, new: JsonSchema) -> Iterator[Break]:
        if _STRUCT in old and old[_STRUCT] == new.get(_STRUCT):
            return  # compared under its own name
        yield from _narrowed(where, old, new)
        if "properties" in old:
            yield from self._fields(where, old, new)
        for inner in ("items", "additionalProperties"):
            if isinstance(new.get(inner), dict):
                yield from self._inner(f"{where}.*", old.get(inner), new[inner])

    def _inner(self, where: str, old: Any, new: JsonSchema) -> Iterator[Break]:
        if isinstance(old, dict):
            yield from self.compare(where, old, new)
        elif new:
            yield Break(where, "narrowed", "从前不限类型，现在限了", "took any type before")

    def _fields(self, where: str, old: JsonSchema, new: JsonSchema) -> Iterator[Break]:
        before, after = old["properties"], new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before):
            if name not in after:
                yield Break(f"{where}.{name}", "field_removed", "字段没有了", "the field is gone")
                continue
            if name in is_required - was_required:
                yield Break(f"{where}.{name}", "became_required", "从可省变为必填", "was optional, is required")
            elif "default" in before[name] and before[name]["default"] != after[name].get("default"):
                values = before[name]["default"], after[name].get("default")
                yield _changed(f"{where}.{name}", "default_changed", "默认值", "default", *values)
            yield from self.compare(f"{where}.{name}", before[name], after[name])
        for name in sorted(is_required - set(before)):
            yield Break(
                f"{where}.{name}", "new_required_field", "新字段必填而无默认值", "a new field without a default"
            )


def _alternatives(schema: JsonSchema, structs: dict[str, JsonSchema]) -> dict[str, JsonSchema]:
    """What a schema takes, by kind; a reference is its struct, so that a renamed struct is compared by its fields."""
    found: dict[str, JsonSchema] = {}
    for choice in schema.get("anyOf", [schema]):
        if "$ref" in choice:
            name = choice["$ref"].rpartition("/")[2]
            tag = structs[name]["properties"].get("type", {}).get("enum", [""])[0]
            found[f"object {tag}".rstrip()] = {**structs[name], _STRUCT: name}
        elif "enum" in choice:
            found["enum"] = choice
        else:
            found[str(choice.get("type", "any"))] = choice
    return found


def _narrowed(where: str, old: JsonSchema, new: JsonSchema) -> Iterator[Break]:
    gone = [value for value in old.get("enum", ()) if value not in new.get("enum", ())]
    if gone:
        values = "、".join(map(str, gone))
        yield Break(where, "enum_narrowed", f"取值没有了：{values}", f"values are gone: {values}")
    for rule in _LOWER:
        if rule in new and (rule not in old or new[rule] > old[rule]):
            yield _changed(where, "narrowed", "限制", rule, old.get(rule), new[rule])
    for rule in _UPPER:
        if rule in new and (rule not in old or new[rule] < old[rule]):
            yield _changed(where, "narrowed", "限制", rule, old.get(rule), new[rule])
    for rule in _EXACT:
        if rule in new and old.get(rule) != new[rule]:
            yield _changed(where, "narrowed", "限制", rule, old.get(rule), new[rule])


def _changed(where: str, code: str, zh: str, en: str, old: Any, new: Any) -> Break:
    return Break(where, code, f"{zh}从 {old} 变为 {new}", f"{en} was {old}, is {new}")
