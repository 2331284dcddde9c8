"""The publisher as the process it is in life: its own interpreter, the real adapters, settings from the environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import client
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """A publisher that listens. log: its lines so far."""

    url: str
    token: str
    log: Path
    process: subprocess.Popen[bytes]

    def client(self) -> httpx.Client:
        return client(self.url, self.token)

    def crashes(self) -> list[str]:
        """Log lines that tell of a defect."""
        lines = self.log.read_text("utf-8").splitlines()
        words = ('"event":"request_crashed"', '"event":"localise_failed"', "Traceback")
        return [line for line in lines if any(word in line for word in words)]


@contextmanager
def publisher_process(folder: Path, kafka: KafkaSettings, accounts: Path | None = None) -> Iterator[Process]:
    """Until the end of the block; its token is made by the command that operators use. accounts: None = the demo's."""
    folder.mkdir(parents=True, exist_ok=True)
    env = environment(folder, kafka)
    if accounts is not None:
        env["TONGBO_ACCOUNTS"] = str(accounts)
    made = subprocess.run(
        [sys.executable, "-m", "services.publisher.access.token_cli", "new", "--name", "test", "--brand", "*"]
        + [word for role in ("publish", "operate") for word in ("--role", role)],
        env=env, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    log = folder / "publisher.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.publisher"], env=env, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        running = Process(address(process, log), made.stdout.strip(), log, process)
        with running.client() as http:
            wait_for(lambda: http.get("/health/ready").status_code == 200, "the publisher is ready")
        yield running
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(folder: Path, kafka: KafkaSettings) -> dict[str, str]:
    settings = {
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "TONGBO_PARTITIONS": str(kafka.partitions),
        "TONGBO_ACCOUNTS": str(ROOT / "deploy/demo/accounts.yaml"),
        "TONGBO_STATE_DIR": str(folder / "state"),
        "TONGBO_MEDIA_DIR": str(folder / "media"),
        "TONGBO_PUBLISHER_PORT": "0",
    }
    return {**os.environ, **settings}


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """What it logs when it listens."""
    found = list[str]()

    def listening() -> bool:
        assert process.poll() is None, log.read_text("utf-8")
        lines = [line for line in log.read_text("utf-8").splitlines() if '"publisher_listening"' in line]
        found.extend(json.loads(line)["url"] for line in lines)
        return bool(found)

    wait_for(listening, "the publisher listens")
    return found[0]
