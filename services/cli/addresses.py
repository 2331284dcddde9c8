"""Where the running parts are: what was said on the command line, else the environment, else what `tongbo up` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from services.cli.stop import stopped
from services.runtime.settings import KafkaSettings, SettingsError, read_settings

Part = Literal["kafka", "publisher", "simulator", "console"]
VARIABLES: dict[Part, str] = {
    "kafka": "KAFKA_BOOTSTRAP",
    "publisher": "TONGBO_PUBLISHER_URL",
    "simulator": "TONGBO_SIMULATOR_URL",
    "console": "TONGBO_CONSOLE_URL",
}


def address(part: Part, option: str | None, env: Mapping[str, str] = os.environ) -> str:
    """The address of `part`; ends the command with a clear word where nobody knows it."""
    known: str | None = option or env.get(VARIABLES[part], "").strip() or _written(env).get(part)
    if known:
        return known
    raise stopped(
        f"不知道 {part} 的地址：流水线没有运行。请先 tongbo up，或用 --{part} 或环境变量 {VARIABLES[part]} 指定",
        f"the address of {part} is unknown: start the pipeline with `tongbo up`, or give --{part} or {VARIABLES[part]}",
        code=2,
    )


def kafka_settings(option: str | None, env: Mapping[str, str] = os.environ) -> KafkaSettings:
    """How to reach Kafka; credentials come from the environment only."""
    try:
        return read_settings(KafkaSettings, {**env, "KAFKA_BOOTSTRAP": address("kafka", option, env)})
    except SettingsError as error:
        raise stopped(str(error), "", code=2) from None


def addresses_file(env: Mapping[str, str] = os.environ) -> Path:
    return Path(env.get("TONGBO_HOME") or ".tongbo") / "run" / "addresses.json"


def _written(env: Mapping[str, str]) -> dict[str, Any]:
    path = addresses_file(env)
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise stopped(
            f"{path} 不是合法的 JSON，请删除它再 tongbo up", f"{path} is no JSON, remove it", code=2
        ) from None
    return found if isinstance(found, dict) else {}
