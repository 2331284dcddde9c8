"""Every time that a command shows carries its zone, and a zone that does not exist is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
import typer

from schemas.moments import shown
from services.cli.publisher.client import _retry_after_s
from services.cli.terminal.times import local

NOW = datetime(2026, 11, 23, 4, 41, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (None, "11-23 12:41:20 +08:00"), ("", "11-23 12:41:20 +08:00"), ("UTC", "11-23 04:41:20 +00:00"),
        ("America/New_York", "11-22 23:41:20 -05:00"), ("Asia/Kolkata", "11-23 10:11:20 +05:30"),
    ],
)  # fmt: skip
def test_a_time_is_shown_in_the_operators_zone_and_says_so(
    zone: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TONGBO_ZONE", raising=False)
    if zone is not None:
        monkeypatch.setenv("TONGBO_ZONE", zone)
    assert local(NOW) == text


@pytest.mark.parametrize("zone", ["Asia/Shanghia", "+08:00", "../../etc/passwd", "Asia", "北京"])
def test_a_mistyped_zone_ends_the_command_and_is_named(
    zone: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TONGBO_ZONE", zone)
    with pytest.raises(typer.Exit) as ended:
        local(NOW)
    assert ended.value.exit_code == 2
    told = capsys.readouterr().err
    assert "TONGBO_ZONE" in told
    assert "Asia/Shanghai" in told


def test_a_time_in_a_note_of_the_ledger_reads_like_one_on_the_screen() -> None:
    assert shown(NOW) == "11-23 12:41:20 +08:00"
    assert shown(NOW, timezone(timedelta(hours=-3, minutes=-30))) == "11-23 01:11:20 -03:30"


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("5", 5, 5), ("", 0, 0), ("soon", 0, 0), ("-3", 0, 0), ("٣", 0, 0), ("1e9", 0, 0), ("nan", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("Wed, 21 Oct 2015", 0, 0),
        ("in an hour", 3000, 3600),
    ],
)  # fmt: skip
def test_a_pause_is_read_whether_it_is_seconds_or_a_date(said: str, least: float, most: float) -> None:
    if said == "in an hour":
        said = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    answer = httpx.Response(503, headers=[(b"Retry-After", said.encode())])
    assert least <= _retry_after_s(answer) <= most
