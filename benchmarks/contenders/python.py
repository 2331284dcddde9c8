"""The Python contenders: less work than the product does, so a factor against them is rather too small than too big."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders.contract import BENCH_PYTHON, PRODUCT_PYTHON, Command, Contender, Stage
from benchmarks.load.exactness import Claim
from benchmarks.load.truth import FIGURES

_CLAIM = Claim(figures=FIGURES, windows=False)


def faust_agent() -> Contender:
    return _contender(
        "faust", "faust_agent", "stock Faust agent, Table in memory with changelog; totals only", PRODUCT_PYTHON, True
    )


def quix() -> Contender:
    return _contender(
        "quix-streams", "quix", "Quix Streams 3.28, RocksDB state with changelog; totals only", BENCH_PYTHON, True
    )


def librdkafka() -> Contender:
    return _contender(
        "librdkafka",
        "librdkafka",
        "the limit: bare librdkafka and a plain fold, nothing persisted",
        BENCH_PYTHON,
        False,
    )


def _contender(name: str, module: str, what: str, python: Path, slow: bool) -> Contender:
    def commands(stage: Stage) -> list[Command]:
        arguments = (
            stage.bootstrap,
            stage.feedback_topic,
            stage.output_topic,
            group(stage),
            str(stage.folder / "state"),
        )
        return [Command((str(python), "-m", f"benchmarks.workers.{module}", *arguments))]

    def group(stage: Stage) -> str:
        return f"{stage.prefix}{name}"

    return Contender(name=name, what=what, commands=commands, group=group, claim=_CLAIM, slow=slow)
