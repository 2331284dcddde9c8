"""Bytes or YAML values into a typed request, strictly, with every problem at once and by field path. No I/O."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from typing import Annotated, Any, TypeVar, Union

import msgspec
from msgspec import Struct
from msgspec import inspect as described

from services.publisher.api.problems import Problem, RequestRefusedError, invalid
from services.publisher.api.text_safety import MOST_ITEMS, path_to, unsafe_texts

MOST_TOLD = 100  # problems of one request; more of them help nobody, and a body of 2 MB has room for a million

T = TypeVar("T", bound=Struct)


def decoded(raw: bytes, kind: type[T]) -> T:
    """The request in `raw`; raises RefusedError (400 for what is no JSON, 422 for the wrong shape)."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = _not_json(f"{type(error).__name__}: {error}") if raw.strip() else empty_body()
        raise problem from None
    made, problems = converted(value, kind)
    if made is None:
        raise invalid(problems)
    return made


def converted(value: object, kind: type[T]) -> tuple[T | None, list[Problem]]:
    """`value` as a `kind`, or None and what is wrong with it: everything, up to MOST_TOLD problems."""
    problems = list(islice(chain(unsafe_texts(value), _problems(value, kind, "")), MOST_TOLD))
    if problems:
        return None, problems
    return msgspec.convert(value, type=kind), []


def empty_body() -> RequestRefusedError:
    return _not_json("请求体为空 / the body is empty")


def _not_json(where: str) -> RequestRefusedError:
    problem = Problem(
        field="",
        code="malformed_json",
        message=f"请求体不是合法的 UTF-8 JSON：{where}",
        message_en="the body is not valid UTF-8 JSON",
        way_out="请发送一个 JSON 对象 / send one JSON object",
    )
    title = "请求体无法读取 / the body cannot be read"
    return RequestRefusedError(400, "malformed_json", title, problem.message + " / " + problem.message_en, (problem,))


def _problems(value: object, kind: Any, path: str) -> Iterator[Problem]:
    """Depth first, so that the innermost field is named; a level is judged as a whole only if its parts are sound."""
    sound = True
    for problem in _inside(value, kind, path):  # one by one: nothing is looked for that nobody will be told
        sound = False
        yield problem
    if not sound:
        return
    try:
        msgspec.convert(value, type=kind)
    except (msgspec.ValidationError, RecursionError, OverflowError):
        yield _wrong(value, kind, path)
        return
    if isinstance(value, str) and value.endswith("\n") and _has_pattern(described.type_info(kind)):
        yield _wrong(value, kind, path)  # `$` in a pattern also matches before a last line break


def _has_pattern(info: described.Type) -> bool:
    match info:
        case described.Metadata(type=inner):
            return _has_pattern(inner)
        case described.UnionType(types=several):
            return any(_has_pattern(one) for one in several)
        case described.StrType(pattern=pattern):
            return pattern is not None
        case _:
            return False


def _inside(value: object, kind: Any, path: str) -> Iterator[Problem]:
    only = _bare(kind)
    if isinstance(only, type) and issubclass(only, Struct) and isinstance(value, dict):
        yield from _fields(value, only, path)
    elif typing.get_origin(only) is tuple and isinstance(value, list):
        item = typing.get_args(only)[0]
        for number, one in enumerate(value[:MOST_ITEMS]):
            yield from _problems(one, item, f"{path}[{number}]")


def _fields(value: dict[Any, Any], kind: type[Struct], path: str) -> Iterator[Problem]:
    known = _known(kind)
    for name in value:
        if name not in known:
            yield _unknown(path_to(path, str(name)), list(known))
    for name, field in known.items():
        if name in value:
            yield from _problems(value[name], field.type, path_to(path, name))
        elif field.required:
            yield _missing(path_to(path, name), field.type)


@lru_cache(maxsize=100)
def _known(kind: type[Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _bare(kind: Any) -> Any:
    """The type without its annotations and without None."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) in (Union, types.UnionType):
        rest = [one for one in typing.get_args(kind) if one is not types.NoneType]
        return _bare(rest[0]) if len(rest) == 1 else kind
    return kind


def _unknown(path: str, known: list[str]) -> Problem:
    return Problem(
        field=path,
        code="unknown_field",
        message="没有这个字段",
        message_en="there is no such field",
        way_out=f"可用字段 / use one of: {', '.join(known)}",
    )


def _missing(path: str, kind: Any) -> Problem:
    zh, en = _expected(described.type_info(kind))
    return Problem(
        field=path,
        code="missing_field",
        message="缺少必填字段",
        message_en="this field is required",
        way_out=f"请填写{zh} / give {en}",
    )


def _wrong(value: object, kind: Any, path: str) -> Problem:
    zh, en = _expected(described.type_info(kind))
    got = _short(value)
    return Problem(
        field=path,
        code="wrong_value",
        message=f"值 {got} 不符合要求：应为{zh}",
        message_en=f"{got} is not valid here, expected {en}",
        way_out=f"请改为{zh} / use {en}",
    )


def _short(value: object) -> str:
    shown = repr(value[:60] if isinstance(value, str | list) else value)
    return shown if len(shown) <= 60 else shown[:57] + "…"


_PLAIN: dict[type[described.Type], tuple[str, str]] = {
    described.BoolType: ("true 或 false", "true or false"),
    described.DateTimeType: ("带时区的时刻，如 2026-03-01T09:30:00+08:00", "an RFC 3339 instant with an offset"),
    described.NoneType: ("null", "null"),
    described.StructType: ("对象", "an object"),
    described.DictType: ("对象", "an object"),
}


def _expected(info: described.Type) -> tuple[str, str]:
    """What a type takes, in words."""
    match info:
        case described.Metadata(type=inner, extra_json_schema=extra):
            zh, en = _expected(inner)
            told = (extra or {}).get("description")
            return (f"{zh}（{told}）", f"{en} ({told})") if told else (zh, en)
        case described.UnionType(types=several):
            words = [_expected(one) for one in several if not isinstance(one, described.NoneType)]
            return " 或 ".join(zh for zh, _ in words), " or ".join(en for _, en in words)
        case described.LiteralType(values=values):
            listed = "、".join(str(one) for one in values)
            return f"{listed} 之一", f"one of {', '.join(str(one) for one in values)}"
        case described.StrType():
            return _text(info)
        case described.IntType() | described.FloatType():
            return _number(info)
        case described.VarTupleType(item_type=item, min_length=least, max_length=most):
            zh, en = _expected(item)
            zh_span, en_span = _span(least, most, "项", "item(s)")
            return f"列表{zh_span}，每项为{zh}", f"a list{en_span} of {en}"
        case _:
            return _PLAIN.get(type(info), ("其他类型的值", "a value of another type"))


def _text(info: described.StrType) -> tuple[str, str]:
    if info.pattern:
        return f"格式为 {info.pattern} 的文字", f"text matching {info.pattern}"
    zh, en = _span(info.min_length, info.max_length, "个字", "character(s)")
    return f"文字{zh}", f"text{en}"


def _number(info: described.IntType | described.FloatType) -> tuple[str, str]:
    zh, en = ("整数", "a whole number") if isinstance(info, described.IntType) else ("数字", "a number")
    above = info.ge if info.ge is not None else info.gt
    zh_span, en_span = _span(above, info.le, "", "")
    return zh + zh_span, en + en_span


def _span(least: float | None, most: float | None, zh: str, en: str) -> tuple[str, str]:
    if least is None and most is None:
        return "", ""
    if most is None:
        return f"（至少 {least}{zh}）", f" (at least {least} {en})".replace(" )", ")")
    return f"（{least or 0} 到 {most}{zh}）", f" ({least or 0} to {most} {en})".replace(" )", ")")
