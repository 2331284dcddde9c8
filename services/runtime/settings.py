"""Reads a service's settings from the environment, in one place, and reports every problem at once.

A settings type is a frozen dataclass; `setting()` gives a field its meaning and, where needed, its own variable name.
"""

from __future__ import annotations

import dataclasses
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast

T = TypeVar("T")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Secret(str):
    """Text that prints masked; `reveal()` is the only way to the content."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')" if len(self) else "Secret('')"

    def __str__(self) -> str:
        return "***" if len(self) else ""

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def reveal(self) -> str:
        return str.__str__(self)


class SettingProblem(NamedTuple):
    """One thing wrong with the settings: which variable, what is wrong, what to do (Chinese first)."""

    variable: str
    wrong: str
    remedy: str


class SettingsError(Exception):
    """Raised once with all problems of the settings."""

    def __init__(self, problems: list[SettingProblem]) -> None:
        self.problems = tuple(problems)
        lines = [f"  {p.variable}: {p.wrong}\n    → {p.remedy}" for p in problems]
        super().__init__("设置有误 / settings are wrong:\n" + "\n".join(lines))


class SettingRow(NamedTuple):
    """One line of `--check-config` and of the reference table."""

    variable: str
    value: str
    default: str
    meaning: str


def setting(default: Any = MISSING, *, meaning: str = "", env: str | None = None, at_least: float | None = None) -> Any:
    """A field of a settings type; `env` is the whole variable name where it is not prefix + field name."""
    metadata = {"meaning": meaning, "env": env, "at_least": at_least}
    if default is MISSING:
        return field(metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """How to reach the cluster and how topics are laid out on it."""

    bootstrap: str = setting(
        "127.0.0.1:9092", env="KAFKA_BOOTSTRAP", meaning="Kafka 地址，逗号分隔 / brokers, comma separated"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = setting(
        "PLAINTEXT", env="KAFKA_SECURITY_PROTOCOL", meaning="连接方式 / security protocol"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = setting(
        None, env="KAFKA_SASL_MECHANISM", meaning="SASL 机制 / SASL mechanism"
    )
    sasl_username: str | None = setting(None, env="KAFKA_SASL_USERNAME", meaning="SASL 用户名 / SASL user name")
    sasl_password: Secret | None = setting(None, env="KAFKA_SASL_PASSWORD", meaning="SASL 密码 / SASL password")
    ssl_cafile: Path | None = setting(None, env="KAFKA_SSL_CAFILE", meaning="CA 证书文件 / CA certificate file")
    replication_factor: int = setting(
        1, env="KAFKA_REPLICATION_FACTOR", at_least=1, meaning="新建主题的副本数 / replicas of created topics"
    )
    partitions: int = setting(
        12, env="TONGBO_PARTITIONS", at_least=1, meaning="实体主题的分区数 / partitions of entity topics"
    )


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What every service shares; a service's own settings extend this type."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    instance: str = setting(
        "0",
        meaning="实例编号，同一服务内唯一、重启不变 / number of this process, unique in its service, stable",
    )
    http_host: str = setting(
        "127.0.0.1",
        meaning="健康与指标监听地址，默认只限本机 / address for health and metrics, this machine only unless set",
    )
    http_port: int = setting(
        0, at_least=0, meaning="健康与指标端口，0 = 任意空闲端口 / health and metrics port, 0 = free"
    )
    stale_after_s: float = setting(
        15.0, at_least=1, meaning="多少秒没有进展即不再就绪 / seconds without progress until no longer ready"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", meaning="日志级别 / log level")
    clock: str | None = setting(None, meaning="时钟：system 或模拟器地址 / `system` or the simulator's clock address")
    state_dir: Path = setting(Path(".tongbo/state"), meaning="本地状态目录 / local state")
    media_dir: Path = setting(Path(".tongbo/media"), meaning="媒体文件目录 / media files")
    accounts_file: Path | None = setting(None, env="TONGBO_ACCOUNTS", meaning="账号文件 / accounts file")


def read_settings(cls: type[T], env: Mapping[str, str] = os.environ, prefix: str = "TONGBO_") -> T:
    """An instance of the settings type `cls` from `env`; raises SettingsError with everything that is wrong."""
    problems: list[SettingProblem] = []
    made = _read(cls, env, prefix, problems)
    if problems:
        raise SettingsError(problems)
    return cast(T, made)


def describe(settings: Any, prefix: str = "TONGBO_") -> list[SettingRow]:
    """Every setting with variable, value in force (secrets masked), default and meaning."""
    rows: list[SettingRow] = []
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        if dataclasses.is_dataclass(value):
            rows.extend(describe(value, prefix))
            continue
        default = "（必填 / required）" if one.default is MISSING else _shown(one.default)
        rows.append(SettingRow(_variable(one, prefix), _shown(value), default, one.metadata.get("meaning", "")))
    return rows


def describe_type(cls: type[Any], prefix: str = "TONGBO_") -> list[SettingRow]:
    """The same table without values, for `--help` and the generated reference."""
    hints, rows = typing.get_type_hints(cls), list[SettingRow]()
    for one in dataclasses.fields(cls):
        if dataclasses.is_dataclass(hints[one.name]):
            rows.extend(describe_type(cast(type[Any], hints[one.name]), prefix))
            continue
        default = "（必填 / required）" if one.default is MISSING else _shown(one.default)
        rows.append(SettingRow(_variable(one, prefix), "", default, one.metadata.get("meaning", "")))
    return rows


def _shown(value: object) -> str:
    if value is None:
        return "（未设置 / unset）"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def _variable(one: dataclasses.Field[Any], prefix: str) -> str:
    return one.metadata.get("env") or prefix + one.name.upper()


def _read(cls: type[Any], env: Mapping[str, str], prefix: str, problems: list[SettingProblem]) -> object | None:
    before, values, hints = len(problems), dict[str, Any](), typing.get_type_hints(cls)
    for one in dataclasses.fields(cls):
        kind = hints[one.name]
        if dataclasses.is_dataclass(kind):
            values[one.name] = _read(cast(type[Any], kind), env, prefix, problems)
            continue
        _read_field(one, kind, env, prefix, values, problems)
    if len(problems) > before:
        return None
    try:
        return cast(object, cls(**values))
    except ValueError as error:  # a type's own cross-field check in __post_init__
        problems.append(SettingProblem(cls.__name__, str(error), "请修正以上变量 / correct the variables named above"))
        return None


def _read_field(
    one: dataclasses.Field[Any],
    kind: Any,
    env: Mapping[str, str],
    prefix: str,
    values: dict[str, Any],
    problems: list[SettingProblem],
) -> None:
    variable = _variable(one, prefix)
    raw = env.get(variable, "").strip()
    if not raw:
        if one.default is MISSING and one.default_factory is MISSING:
            meaning = one.metadata.get("meaning", "")
            problems.append(
                SettingProblem(variable, "缺少必填项 / required but missing", f"请设置 / set it: {meaning}")
            )
        return
    try:
        value = _parsed(kind, raw)
        floor = one.metadata.get("at_least")
        if floor is not None and value < floor:
            raise ValueError(f"不能小于 {floor} / must be at least {floor}")
        values[one.name] = value
    except ValueError as error:
        shown = "***" if Secret in _alternatives(kind) else repr(raw)
        problems.append(SettingProblem(variable, f"{shown} 无效 / is not valid", str(error)))


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (Union, types.UnionType):
        return tuple(item for item in typing.get_args(kind) if item is not types.NoneType)
    return (kind,)


def _boolean(raw: str) -> bool:
    if raw.lower() in _TRUE:
        return True
    if raw.lower() in _FALSE:
        return False
    raise ValueError("请填 true 或 false / use true or false")


def _number(of: Callable[[str], Any], zh: str, en: str) -> Callable[[str], Any]:
    def parse(raw: str) -> Any:
        try:
            return of(raw)
        except ValueError:
            raise ValueError(f"请填{zh} / use {en}") from None

    return parse


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: _number(int, "整数", "a whole number"),
    float: _number(float, "数字", "a number"),
    bool: _boolean,
    Path: Path,
    Secret: Secret,
    tuple[str, ...]: lambda raw: tuple(item.strip() for item in raw.split(",") if item.strip()),
}


def _parsed(kind: Any, raw: str) -> Any:
    (only,) = _alternatives(kind)
    if typing.get_origin(only) is Literal:
        allowed = typing.get_args(only)
        found = {str(item).lower(): item for item in allowed}.get(raw.lower())
        if found is None:
            raise ValueError("可选值 / one of: " + ", ".join(str(item) for item in allowed))
        return found
    parser = _PARSERS.get(only)
    if parser is None:
        raise TypeError(f"settings cannot be of type {kind}")
    return parser(raw)
