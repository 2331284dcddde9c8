"""Settings: every problem at once, each with its way out, and no secret on any screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from services.runtime.settings import (
    KafkaSettings,
    Secret,
    ServiceSettings,
    SettingsError,
    describe,
    describe_type,
    read_settings,
    setting,
)


@dataclass(frozen=True, kw_only=True)
class Example(ServiceSettings):
    app_secret: Secret = setting(meaning="应用密钥 / app secret")
    platforms: tuple[str, ...] = setting(("weibo",), meaning="平台 / platforms")
    mode: Literal["open", "commercial"] = setting("open", meaning="方式 / mode")
    ratio: float = setting(0.5, at_least=0, meaning="比例 / ratio")
    strict: bool = setting(False, meaning="严格 / strict")


GOOD = {"TONGBO_APP_SECRET": "s3cr3t"}


def test_values_of_every_kind_are_read() -> None:
    env = GOOD | {
        "KAFKA_BOOTSTRAP": "a:1,b:2",
        "TONGBO_PARTITIONS": "4",
        "TONGBO_PLATFORMS": "weibo, douyin ,",
        "TONGBO_MODE": "Commercial",
        "TONGBO_RATIO": "1.5",
        "TONGBO_STRICT": "yes",
        "TONGBO_STATE_DIR": "/var/lib/同播",
        "TONGBO_INSTANCE": "  ",
    }
    read = read_settings(Example, env)
    assert read.kafka == KafkaSettings(bootstrap="a:1,b:2", partitions=4)
    assert read.platforms == ("weibo", "douyin")
    assert (read.mode, read.ratio, read.strict) == ("commercial", 1.5, True)
    assert read.state_dir == Path("/var/lib/同播")
    assert read.instance == "0"
    assert read.app_secret.reveal() == "s3cr3t"


def test_all_problems_are_reported_at_once_each_with_its_variable_and_remedy() -> None:
    env = {"TONGBO_MODE": "both", "TONGBO_PARTITIONS": "0", "TONGBO_RATIO": "half", "TONGBO_STRICT": "perhaps"}
    with pytest.raises(SettingsError) as caught:
        read_settings(Example, env)
    problems = {problem.variable: problem for problem in caught.value.problems}
    assert set(problems) == {*env, "TONGBO_APP_SECRET"}
    assert "open, commercial" in problems["TONGBO_MODE"].remedy
    assert "至少" in problems["TONGBO_PARTITIONS"].remedy or "不能小于 1" in problems["TONGBO_PARTITIONS"].remedy
    assert "a number" in problems["TONGBO_RATIO"].remedy
    assert all(variable in str(caught.value) for variable in problems)


def test_a_secret_is_never_shown() -> None:
    read = read_settings(Example, GOOD | {"KAFKA_SASL_PASSWORD": "hunter2"})
    screens = [repr(read), str(read.app_secret), f"{read.app_secret:>5}", str(describe(read))]
    assert not any("s3cr3t" in screen or "hunter2" in screen for screen in screens)
    rows = {row.variable: row for row in describe(read)}
    assert rows["KAFKA_SASL_PASSWORD"].value == "***"
    assert rows["TONGBO_APP_SECRET"].default == "（必填 / required）"


def test_the_reference_table_names_every_variable_with_its_meaning() -> None:
    rows = describe_type(Example)
    assert {"KAFKA_BOOTSTRAP", "TONGBO_PARTITIONS", "TONGBO_ACCOUNTS", "TONGBO_APP_SECRET"} <= {
        row.variable for row in rows
    }
    assert all(row.meaning for row in rows)
