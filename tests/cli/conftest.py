"""The command line in this process, and campaign files to break."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import structlog
from typer.testing import CliRunner

from schemas.topics import load_topics
from services.adapter.contract.accounts import load_accounts
from services.adapter.contract.registry import adapter
from services.cli.local.local_token import local_token
from services.cli.main import application
from services.cli.terminal import addresses
from services.publisher import app
from services.publisher.settings import PublisherSettings
from services.runtime.clock import SystemClock
from services.runtime.health import Health
from services.runtime.http.server import HttpServer
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.waiting import wait_for

DEMO = Path("deploy/demo")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def tongbo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`tongbo("status")` without anything that runs on this machine."""
    monkeypatch.setenv("TONGBO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("KAFKA_BOOTSTRAP", "TONGBO_PUBLISHER_URL", "TONGBO_TOKEN", "TONGBO_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Outcome:
        result = CliRunner().invoke(application(), list(arguments))
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A copy of the sample campaign that may be damaged."""
    shutil.copytree(DEMO, tmp_path / "demo")
    return tmp_path / "demo" / "campaign.yaml"


@pytest.fixture
def running(kafka_settings: KafkaSettings, tmp_path: Path, tongbo: Run) -> Iterator[str]:
    """A publisher with the demo's accounts and the real adapters; its address stands in the addresses file."""
    ensure_topics(kafka_settings, load_topics())
    settings = PublisherSettings(
        kafka=kafka_settings, media_dir=tmp_path / "media", state_dir=addresses.home_of() / "state"
    )
    stop = threading.Event()
    # The publisher of this process logs; what the command prints beside it must stay readable.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    accounts = load_accounts(DEMO / "accounts.yaml", {})
    parts = app.assemble(settings, accounts, adapter, SystemClock(), stop, Health())
    server = HttpServer("api", app.application(parts, settings), "127.0.0.1", 0, stop, lifespan=True)
    parts.follower.start()
    server.start()
    wait_for(lambda: parts.follower.ready, "the publisher has read the topics")
    file = addresses.addresses_file()
    local_token(addresses.home_of(), lambda _: None)
    file.write_bytes(msgspec.json.encode({"kafka": kafka_settings.bootstrap, "publisher": server.url}))
    os.environ["TONGBO_PARTITIONS"] = str(kafka_settings.partitions)
    yield server.url
    del os.environ["TONGBO_PARTITIONS"]
    server.close()
    stop.set()
    parts.follower.join(10)
    parts.writer.close()
    structlog.reset_defaults()
