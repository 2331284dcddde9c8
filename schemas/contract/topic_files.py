"""Reads the topic files: one YAML per topic, from which topics are created and documents generated.

Refuses unknown keys and broken values by name. Knows nothing of Kafka clients and of which services exist: the caller
names the services that the template `service-dlq.yaml` is expanded for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

FOLDER = Path(__file__).parents[1] / "topics"
TEMPLATE_FIELD = "{service}"
_DAY_MS = 24 * 60 * 60 * 1000
_SERVICE = re.compile(r"[a-z][a-z0-9-]{1,63}")
_KEY_FIELD = re.compile(r"\{([a-z_]+)\}")

CleanupPolicy = Literal["delete", "compact"]
Text = Annotated[str, Meta(min_length=1)]


class TopicFileError(Exception):
    """Raised when a topic file cannot be used; the text names the file, the key and the way out."""


class Purpose(Struct, frozen=True, forbid_unknown_fields=True):
    zh: Text
    en: Text


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """retention: `forever`, or `<n>d` for n days. config: further topic settings by Kafka's own names."""

    cleanup: CleanupPolicy
    retention: Annotated[str, Meta(pattern=r"^(forever|[1-9]\d{0,4}d)$")]
    config: dict[Annotated[str, Meta(pattern=r"^[a-z][a-z.]+$")], str] = {}


class TopicFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file as written. partitions null = the installation's setting. key, partition_by: per type, or one for all.

    key is a template over the fields of the type: `{content_id}`, `{platform}/{account}`; `original` = the key of the
    record it was made from. partition_by names the field whose hash chooses the partition, or `key`, or `single`, or
    `source` (the partition number of the record it was made from).
    internal: the owner's own state, which it can rebuild; no contract, so no examples, documents and releases.
    """

    name: Annotated[str, Meta(pattern=r"^(\{service\})?[a-z-]+$")]
    purpose: Purpose
    key: Text | dict[str, Text]
    partition_by: Text
    partitions: Annotated[int, Meta(ge=1)] | None
    policy: Policy
    producers: Annotated[tuple[Text, ...], Meta(min_length=1)]
    consumers: Annotated[tuple[Text, ...], Meta(min_length=1)]
    types: Annotated[tuple[Text, ...], Meta(min_length=1)]
    owner: Text
    examples: Text
    internal: bool = False


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic to create. partitions None = the setting. config: complete but for cleanup.policy. keys: per type."""

    name: str
    partitions: int | None
    cleanup_policy: CleanupPolicy
    config: Mapping[str, str]
    purpose: Purpose
    keys: Mapping[str, str]
    partition_by: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    types: tuple[str, ...]
    owner: str
    examples: Path
    retention: str
    internal: bool

    def key_of(self, event: Any) -> str:
        """The key of `event` on this topic, from the template of its type.

        Raises TopicFileError for a type that is not of this topic, or whose key is that of another record.
        """
        template = self.keys.get(type(event).__name__, "")
        if not key_fields(template):
            raise TopicFileError(f"主题 {self.name} 没有 {type(event).__name__} 的键 / no key for this type here")
        return _KEY_FIELD.sub(lambda found: str(getattr(event, found[1])), template)


def key_fields(template: str) -> tuple[str, ...]:
    """The fields a key template reads."""
    return tuple(_KEY_FIELD.findall(template))


def load_topics(services: Sequence[str] = (), folder: Path = FOLDER) -> tuple[TopicSpec, ...]:
    """All topics, sorted by name; a template file gives one topic for each of `services` and none without."""
    specs = [spec for file in _files(folder) for spec in _expanded(file, services)]
    names = [spec.name for spec in specs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TopicFileError(f"主题重复：{'、'.join(doubled)} / topic declared twice")
    return tuple(sorted(specs, key=lambda spec: spec.name))


@cache
def topic(name: str) -> TopicSpec:
    """The topic `name`, dead-letter topics of any service included; raises TopicFileError naming those that exist."""
    for file in _files(FOLDER):
        pattern = re.escape(file.name).replace(re.escape(TEMPLATE_FIELD), f"({_SERVICE.pattern})")
        found = re.fullmatch(pattern, name)
        if found:
            return next(_expanded(file, found.groups() or ("-",)))
    known = "、".join(file.name for file in _files(FOLDER))
    raise TopicFileError(f"没有主题“{name}”，现有：{known} / no such topic")


def topic_templates(folder: Path = FOLDER) -> tuple[TopicSpec, ...]:
    """All topics with the template left unexpanded (`{service}-dlq`), for documents and for comparisons."""
    return tuple(sorted((_spec(file) for file in _files(folder)), key=lambda spec: spec.name))


def contract_topics() -> tuple[TopicSpec, ...]:
    """The topics that others may rely on: all but the internal ones, the template left unexpanded."""
    return tuple(spec for spec in topic_templates() if not spec.internal)


def _files(folder: Path) -> tuple[TopicFile, ...]:
    return tuple(_read(path) for path in sorted(folder.glob("*.yaml")))


def _read(path: Path) -> TopicFile:
    try:
        file = msgspec.yaml.decode(path.read_bytes(), type=TopicFile)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise TopicFileError(f"主题文件 {path.name} 有误 / invalid topic file: {error}") from None
    if path.stem != file.name.replace(TEMPLATE_FIELD, "service"):
        raise TopicFileError(f"主题文件 {path.name} 的 name 是 {file.name}：两者必须一致 / file name and name differ")
    if isinstance(file.key, dict) and set(file.key) != set(file.types):
        raise TopicFileError(f"主题文件 {path.name}：key 必须恰好列出 types 中的类型 / key must name exactly the types")
    return file


def _expanded(file: TopicFile, services: Sequence[str]) -> Iterator[TopicSpec]:
    if TEMPLATE_FIELD not in file.name:
        yield _spec(file)
        return
    for service in services:
        if not _SERVICE.fullmatch(service):
            raise TopicFileError(f"服务名“{service}”只能用小写字母、数字和 - / invalid service name")
        yield _spec(file, service)


def _spec(file: TopicFile, service: str = TEMPLATE_FIELD) -> TopicSpec:
    forever = file.policy.retention == "forever"
    retention_ms = "-1" if forever else str(int(file.policy.retention.removesuffix("d")) * _DAY_MS)
    return TopicSpec(
        name=file.name.replace(TEMPLATE_FIELD, service),
        partitions=file.partitions,
        cleanup_policy=file.policy.cleanup,
        config={"retention.ms": retention_ms, **file.policy.config},
        purpose=file.purpose,
        keys=file.key if isinstance(file.key, dict) else dict.fromkeys(file.types, file.key),
        partition_by=file.partition_by,
        producers=tuple(producer.replace(TEMPLATE_FIELD, service) for producer in file.producers),
        consumers=file.consumers,
        types=file.types,
        owner=file.owner.replace(TEMPLATE_FIELD, service),
        examples=Path(file.examples),
        retention=file.policy.retention,
        internal=file.internal,
    )
