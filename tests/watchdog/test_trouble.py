"""An alert is told once when it begins, again when it grows worse, and once when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from schemas.codec import encode
from schemas.events.alert import Alert
from services.watchdog.trouble import AlertBook, Trouble

NOW = datetime(2026, 11, 11, 2, 0, tzinfo=UTC)
ONE = Trouble(
    kind="group_stalled", about="g/t", severity="warning", since=NOW, title="停滞", title_en="stalled",
    way_out="看日志", way_out_en="look at the log",
)  # fmt: skip


def told(book: AlertBook, *found: Trouble, after_s: float = 0) -> list[Alert]:
    alerts = book.changes(("group_stalled",), found, NOW + timedelta(seconds=after_s))
    for alert in alerts:
        encode(alert)
        book.wrote(alert)
    return alerts


def test_the_same_trouble_is_told_once_and_its_end_once() -> None:
    book = AlertBook(["group_stalled"])
    assert [alert.status for alert in told(book, ONE)] == ["open"]
    assert told(book, replace(ONE, value=99.0), after_s=1) == []
    assert [alert.status for alert in told(book, after_s=2)] == ["resolved"]
    assert told(book, after_s=3) == []


def test_what_grows_worse_is_told_again_since_the_same_moment() -> None:
    book = AlertBook(["group_stalled"])
    told(book, ONE)
    (worse,) = told(book, replace(ONE, severity="critical", since=NOW + timedelta(hours=1)), after_s=5)
    assert (worse.severity, worse.since) == ("critical", NOW)


def test_a_restart_knows_what_is_open_and_alerts_of_others_are_left_alone() -> None:
    before = AlertBook(["group_stalled"])
    (alert,) = told(before, ONE)
    book = AlertBook(["group_stalled"])
    book.wrote(alert)
    assert told(book, ONE, after_s=5) == []
    stranger = Alert(
        event_id="e", occurred_at=NOW, observed_at=NOW, brand_id="qinghe", trace_id="t", alert_key="negative_burst:x",
        kind="negative_burst", severity="info", status="open", since=NOW, title="负面", title_en="negative",
    )  # fmt: skip
    book.wrote(stranger)
    assert [one.alert_key for one in told(book, after_s=6)] == ["group_stalled:g/t"]
