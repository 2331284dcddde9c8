"""Column types for DuckDB, read off the event types: what is an instant or a count there is one in a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from msgspec import Struct, inspect

_PLAIN: dict[type[inspect.Type], str] = {
    inspect.StrType: "VARCHAR",
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE",
    inspect.BoolType: "BOOLEAN",
    inspect.DateTimeType: "TIMESTAMPTZ",
    inspect.LiteralType: "VARCHAR",
    inspect.BytesType: "VARCHAR",
}


def columns_of(types: Sequence[type[Struct]]) -> dict[str, str]:
    """Field → column type over all types of a topic; a field that several have must be the same in each."""
    found: dict[str, str] = {"type": "VARCHAR"}
    for of in types:
        for field in _struct(of).fields:
            kind = sql_type(field.type)
            if found.setdefault(field.encode_name, kind) != kind:
                raise TypeError(f"{of.__name__}.{field.encode_name} is {kind}, elsewhere {found[field.encode_name]}")
    return found


class Column(NamedTuple):
    """A column of a file: its name, where it stands below `value`, and its type."""

    name: str
    path: str
    type: str

    @property
    def nested(self) -> bool:
        """Whether it holds more than one value, which a CSV file can only show as JSON."""
        return self.type.startswith(("MAP(", "STRUCT(")) or self.type.endswith("[]")


def flat(types: Sequence[type[Struct]]) -> list[Column]:
    """The columns of a file: structs become columns of their own, maps and lists stay whole."""
    found = {"type": Column("type", 'value."type"', "VARCHAR")}
    for of in types:
        for field in _struct(of).fields:
            for column in _leaves(field.encode_name, f'value."{field.encode_name}"', field.type):
                found.setdefault(column.name, column)
    return list(found.values())


def sql_type(of: inspect.Type) -> str:
    """The column type of a field; raises TypeError for a shape that no event has."""
    match _certain(of):
        case inspect.DictType(value_type=inner):
            return f"MAP(VARCHAR, {sql_type(inner)})"
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return f"{sql_type(inner)}[]"
        case inspect.StructType(fields=fields):
            return "STRUCT(" + ", ".join(f'"{one.encode_name}" {sql_type(one.type)}' for one in fields) + ")"
        case plain if type(plain) in _PLAIN:
            return _PLAIN[type(plain)]
        case other:
            raise TypeError(f"no column type for {other}")


def _certain(of: inspect.Type) -> Any:
    """A type without its null."""
    if isinstance(of, inspect.UnionType):
        (only,) = (one for one in of.types if not isinstance(one, inspect.NoneType))
        return _certain(only)
    return _certain(of.type) if isinstance(of, inspect.Metadata) else of


def _leaves(name: str, path: str, of: inspect.Type) -> Iterator[Column]:
    certain = _certain(of)
    if not isinstance(certain, inspect.StructType):
        yield Column(name, path, sql_type(of))
        return
    for field in certain.fields:
        yield from _leaves(f"{name}_{field.encode_name}", f'{path}."{field.encode_name}"', field.type)


def _struct(of: type[Struct]) -> inspect.StructType:
    found = inspect.type_info(of)
    assert isinstance(found, inspect.StructType)
    return found
