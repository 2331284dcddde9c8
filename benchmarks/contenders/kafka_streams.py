"""Kafka Streams: a small Java program in benchmarks/kafka_streams, on the Java runtime that also runs the broker."""

from __future__ import annotations

import os

from benchmarks.contenders.contract import MANY_POSTS, ROOT, Command, Contender, Stage
from services.runtime.embedded_broker.jars import java

_TARGET = ROOT / "benchmarks" / "kafka_streams" / "target"
WARM_EVENTS = 1_500_000
_JVM = ("-XX:+UseParallelGC", "--enable-native-access=ALL-UNNAMED", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
_HEAP_MB, _HEAP_MB_MANY_POSTS = 512, 1_536


def contender(guarantee: str, name: str) -> Contender:
    def commands(stage: Stage) -> list[Command]:
        class_path = os.pathsep.join((str(_TARGET / "lib" / "*"), *map(str, _TARGET.glob("*.jar"))))
        arguments = (
            stage.bootstrap,
            stage.feedback_topic,
            guarantee,
            str(stage.folder / "state"),
            f"{stage.prefix}warm",
            f"{stage.prefix}warm-rows",
            str(min(stage.events, WARM_EVENTS)),
            _application(stage),
            stage.output_topic,
        )
        heap = _HEAP_MB if stage.posts < MANY_POSTS else _HEAP_MB_MANY_POSTS
        options = (
            f"-Xms{heap}m",
            f"-Xmx{heap}m",
            *_JVM,
            f"-Dcommit.ms={round(stage.flush_s * 1000)}",
            "-cp",
            class_path,
        )
        return [Command((str(java()), *options, "tongbo.benchmarks.Main", *arguments))]

    return Contender(
        name=name,
        what=f"Kafka Streams 4.4, Java, RocksDB, changelog, {guarantee}, windows, 2 threads, warm JVM",
        commands=commands,
        group=_application,
        topics=_topics,
        missing=_missing,
    )


def _application(stage: Stage) -> str:
    return f"{stage.prefix}streams"


def _topics(stage: Stage) -> list[str]:
    return [stage.output_topic, f"{stage.prefix}warm-rows"]


def _missing() -> str | None:
    if any(_TARGET.glob("*.jar")):
        return None
    return "未构建（需要 Maven 与 JDK）/ not built (needs Maven and a JDK): bash benchmarks/setup.sh"
