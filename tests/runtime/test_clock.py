"""Clocks: aware, never going back, and the simulated one at its own speed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from services.runtime.clock import ManualClock, RemoteClock, SystemClock, clock_from
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Machine:
    """The machine's own seconds, which pass when the test says so: however long an answer takes, none has passed."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


class Simulated:
    """A simulated clock behind HTTP, as the simulator serves it."""

    def __init__(self, machine: Machine) -> None:
        self.base, self.machine, self.began, self.speed = START, machine, machine.monotonic(), 60.0
        self.broken = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"{}" if outer.broken else json.dumps({"now": outer.now().isoformat(), "speed": 60.0}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def now(self) -> datetime:
        return self.base + timedelta(seconds=(self.machine.monotonic() - self.began) * self.speed)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr("services.runtime.clock.time", made)
    return made


@pytest.fixture
def simulated(machine: Machine) -> Iterator[Simulated]:
    made = Simulated(machine)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_remote_clock_follows_speed_jumps_and_survives_an_outage(machine: Machine, simulated: Simulated) -> None:
    # It asks only when told to: an answer from before a jump that comes after it would set the clock back.
    clock = RemoteClock(f"http://127.0.0.1:{simulated.server.server_port}/clock", refresh_s=3_600)
    try:
        assert clock.now() == simulated.now() == START
        machine.seconds += 7
        assert clock.now() == simulated.now() == START + timedelta(minutes=7)
        before = clock.monotonic()
        simulated.base += timedelta(hours=1)
        assert clock.refresh()
        assert clock.now() == simulated.now()
        assert clock.monotonic() - before == 3_600
        simulated.broken = True
        assert not clock.refresh()
        machine.seconds += 7
        held = clock.now()
        assert held == simulated.now()
        simulated.broken = False
        passed = clock.monotonic()
        simulated.base -= timedelta(seconds=30)  # a little: as if an answer had come late
        clock.refresh()
        assert clock.now() == held
        simulated.base -= timedelta(hours=2)  # much: the simulation was set back
        clock.refresh()
        assert clock.now() == simulated.now() < held - timedelta(hours=1)
        assert clock.monotonic() == passed
    finally:
        clock.close()


def test_the_manual_clock_stands_still_until_advanced_and_never_goes_back() -> None:
    clock = ManualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90), 90.0)
    with pytest.raises(ValueError, match="-1"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 3, 1))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize(
    "naive",
    ["datetime(2026, 3, 1)", "datetime.now()", "datetime.fromtimestamp(0)", "datetime.utcnow()", "date.today()"],
)
def test_the_lint_lets_nobody_build_a_time_without_a_zone(naive: str) -> None:
    code = f"from datetime import date, datetime\n\nNOW = {naive}\nDAY = date\nTYPE = datetime\n"
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--stdin-filename",
        "services/runtime/naive.py",
        "-",
    ]
    done = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "DTZ" in done.stdout


def test_a_setting_names_the_clock() -> None:
    assert isinstance(clock_from(None), SystemClock)
    assert isinstance(clock_from("system"), SystemClock)
    assert clock_from("system").now().utcoffset() == timedelta(0)
    with pytest.raises(ValueError, match="sundial"):
        clock_from("sundial")


def test_an_address_names_a_clock_that_is_asked_again_by_itself(simulated: Simulated) -> None:
    clock = clock_from(f"http://127.0.0.1:{simulated.server.server_port}/clock")
    assert isinstance(clock, RemoteClock)
    try:
        simulated.base += timedelta(days=1)
        wait_for(lambda: clock.now() >= START + timedelta(days=1), "the clock has asked again")
    finally:
        clock.close()


def test_a_simulated_clock_that_answers_late_starts_no_deadline_early(machine: Machine, simulated: Simulated) -> None:
    simulated.broken = True
    clock = RemoteClock(f"http://127.0.0.1:{simulated.server.server_port}/clock", refresh_s=3_600)
    try:
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
        simulated.broken = False
        machine.seconds += 7
        before = clock.monotonic()
        assert before == 7
        assert clock.refresh()
        assert clock.now() == simulated.now()
        assert clock.monotonic() == before
    finally:
        clock.close()
