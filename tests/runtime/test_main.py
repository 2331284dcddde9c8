"""The life of a service process, seen from outside: exit codes, --check-config, signals, logs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

SERVICE = """
import sys
from dataclasses import dataclass
from services.runtime.main import run_service
from services.runtime.settings import Secret, ServiceSettings, setting
import logging
@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    app_secret: Secret = setting(meaning="密钥 100% / secret")
    fail: bool = setting(False, meaning="失败 / fail")
def main(context):
    context.health.progress()
    context.log.info("working", 平台="微博", access_token="tok-123", inner={"password": "pw-456"},
                     port=context.http_port)
    for number in range(50):
        logging.getLogger("kafka.net").warning("Connection failed: %s", number)
    if context.settings.fail:
        raise RuntimeError("故障")
    context.stop.wait(30)
sys.exit(run_service("probe", Settings, main))
"""
ENV = os.environ | {"PYTHONPATH": os.getcwd(), "TONGBO_APP_SECRET": "s3cr3t", "TONGBO_INSTANCE": "7"}


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: PLW1510 - the exit code is what is tested
        [sys.executable, "-c", SERVICE, *arguments], capture_output=True, text=True, timeout=60, env=ENV | env
    )


def logged(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines()]


def test_check_config_lists_everything_and_no_secret() -> None:
    done = run("--check-config")
    assert done.returncode == 0
    assert "TONGBO_INSTANCE = 7" in done.stdout
    assert "TONGBO_APP_SECRET = ***" in done.stdout
    assert "s3cr3t" not in done.stdout + done.stderr


def test_help_teaches_the_variables() -> None:
    done = run("--help", TONGBO_PARTITIONS="broken")
    assert done.returncode == 0
    assert "KAFKA_BOOTSTRAP" in done.stdout
    assert "密钥 100% / secret" in done.stdout


def test_wrong_settings_end_with_2_and_all_of_them_named() -> None:
    done = run(TONGBO_HTTP_PORT="x", TONGBO_CLOCK="sundial", TONGBO_FAIL="maybe")
    assert done.returncode == 2
    assert "TONGBO_HTTP_PORT" in done.stderr
    assert "TONGBO_FAIL" in done.stderr
    assert run(TONGBO_CLOCK="sundial").returncode == 2


def test_a_port_in_use_is_a_wrong_setting_not_a_stack_trace() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        done = run(TONGBO_HTTP_PORT=str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "TONGBO_HTTP_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_crash_ends_with_1_and_one_log_line() -> None:
    done = run(TONGBO_FAIL="true")
    assert done.returncode == 1
    (crash,) = [line for line in logged(done.stderr) if line["event"] == "service_crashed"]
    assert "RuntimeError: 故障" in crash["exception"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_the_log_is_json_without_secrets(number: signal.Signals) -> None:
    child = subprocess.Popen([sys.executable, "-c", SERVICE], stderr=subprocess.PIPE, text=True, env=ENV)
    try:
        assert child.stderr is not None
        head: list[str] = []
        for line in child.stderr:
            head.append(line)
            if '"working"' in line:
                break
        working = json.loads(head[-1])
        with urllib.request.urlopen(f"http://127.0.0.1:{working['port']}/health/ready", timeout=5) as answer:
            assert answer.status == 200
        child.send_signal(number)
        rest = child.stderr.read()
        assert child.wait(20) == 0
    finally:
        child.kill()
        child.wait()
    assert (working["service"], working["instance"], working["平台"]) == ("probe", "7", "微博")
    assert "微博" in head[-1]
    assert not any(secret in "".join(head) + rest for secret in ("tok-123", "pw-456", "s3cr3t"))
    events = [line["event"] for line in logged("".join(head) + rest)]
    assert events.count("library_log") == 1  # fifty alike from a client without its broker
    assert events[-2:] == ["service_stopping", "service_stopped"]
