"""Where the running parts are, and the token they want: from the command line, the environment, or `tongbo up`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import typer

from services.cli.local.local_token import kept_token
from services.cli.terminal.exits import stopped
from services.publisher.access.roles import well_formed
from services.publisher.access.token_store import TokensError
from services.runtime.settings import KafkaSettings, SettingsError, read_settings

Part = Literal["kafka", "publisher", "simulator"]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="访问令牌，默认 TONGBO_TOKEN 或 tongbo up 留下的 / access token, else TONGBO_TOKEN or that of `tongbo up`",
    ),
]
VARIABLES: dict[Part, str] = {
    "kafka": "KAFKA_BOOTSTRAP",
    "publisher": "TONGBO_PUBLISHER_URL",
    "simulator": "TONGBO_SIMULATOR_URL",
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


def access_token(url: str, option: str | None, env: Mapping[str, str] = os.environ) -> str | None:
    """The token for the publisher at `url`; None: nobody gave one, and the publisher will say what it wants.

    The token of the pipeline on this machine is never sent to another one.
    """
    token = option or env.get("TONGBO_TOKEN", "").strip()
    if not token and _on_this_machine(url):
        try:
            token = kept_token(home_of(env)) or ""
        except TokensError as error:
            raise stopped(str(error), "", code=2) from None
    if token and not well_formed(token):
        raise stopped(
            "访问令牌里有不可用的字符，请完整复制：--token 或 TONGBO_TOKEN",
            "the access token holds characters that none has, copy it as it was shown: --token or TONGBO_TOKEN",
            code=2,
        )
    return token or None


def _on_this_machine(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def home_of(env: Mapping[str, str] = os.environ) -> Path:
    return Path(env.get("TONGBO_HOME") or ".tongbo")


def addresses_file(env: Mapping[str, str] = os.environ) -> Path:
    return home_of(env) / "run" / "addresses.json"


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
