"""Nothing that comes from outside steers a terminal or a spreadsheet: hostile texts through every way of printing."""

from __future__ import annotations

import csv
import io
import json
import stat
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.codec import decoder
from services.bi.export import export
from services.bi.manifest import Selection
from services.cli.commands.operate.brake import _table
from services.cli.commands.view.status import placement_table
from services.cli.commands.view.tail import shown
from services.cli.terminal.console import SafeConsole, cell, write
from services.cli.terminal.exits import stopped
from services.publisher.api.answers import PlacementStatus
from services.publisher.api.command_requests import BrakeStatus
from services.runtime.kafka.records import Record
from services.runtime.logging import configure_logging, get_logger
from services.runtime.safe_text import safe, safe_line
from tests.bi.test_export import FEEDBACK, feedback
from tests.engagement_aggregator.audience import AUDIENCE, START

ESCAPES = (
    "\x1b]0;PWNED\x1b\\",
    "\x1b[2J",
    "\x1b]52;c;cHduZWQ=\x07",
    "\x9b31m",
    "\u202egpj.exe",
    "\u2066",
    "\r",
    "\x00",
    "\x7f",
)
ENDS = ("[/red]", "[bold]", "[link=file:///]", "\\", "\ud800", "\U000e0041", "\u2028")
HOSTILE = st.lists(
    st.one_of(st.sampled_from(ESCAPES + ENDS), st.text(max_size=5), st.characters(categories=("Cc", "Cf", "Cs"))),
    max_size=6,
).map("".join)
JOINERS = {"\u200c", "\u200d"}  # parts of Persian words and of emoji
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def harmless(printed: str) -> bool:
    return all(
        sign in "\n\t" or sign in JOINERS or (unicodedata.category(sign) not in ("Cc", "Cs") and not _turns(sign))
        for sign in printed
    )


def _turns(sign: str) -> bool:
    return unicodedata.bidirectional(sign) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def printed(*renderables: object, soft_wrap: bool = False) -> str:
    out = io.StringIO()
    SafeConsole(file=out, width=200, highlight=False, emoji=False, force_terminal=False).print(
        *renderables, soft_wrap=soft_wrap, markup=False
    )
    return out.getvalue()


@given(HOSTILE)
def test_whatever_is_printed_is_harmless_and_a_table_keeps_its_edges(text: str) -> None:
    table = Table()
    table.add_column("x")
    table.add_row(cell(text))
    for found in (printed(text), printed(Text(text), soft_wrap=True), printed(Panel(Text(text))), printed(table)):
        assert harmless(found), found
    assert safe(safe(text)) == safe(text)
    assert "\n" not in safe_line(text)


@given(HOSTILE)
def test_what_a_brand_wrote_is_harmless_in_every_table(text: str) -> None:
    brake = BrakeStatus(
        brake_id="cmd-1", brand_id="b", level="brand", campaign_id=None, platform=None, account=None, reason=text,
        actor=text, since=NOW, until=None, parked=0,
    )  # fmt: skip
    placement = PlacementStatus(
        placement_id="pl-1", campaign_id="c", content_id="c", content_version=1, kind="notice", title=text,
        platform="weibo", account="a", slot="main", state="LIVE", state_zh="已上线", final=True, due_at=NOW,
        late_until=NOW, overdue=False, error=text, waiting_on=text, url=None, native_id=None, since=NOW,
    )  # fmt: skip
    for table in (_table([brake]), placement_table([placement])):
        assert harmless(printed(table))


@given(HOSTILE.map(lambda text: text.encode("utf-8", "replace").decode()))
def test_a_comment_is_harmless_in_tail_and_stays_one_line(text: str) -> None:
    event = msgspec.structs.replace(AUDIENCE.comment(0, 1), text=text)
    record = Record("feedback-unified", 0, 1, text.encode(), msgspec.json.encode(event), (), START)
    for full in (False, True):
        line = shown(record, decoder("feedback-unified"), None, full=full)
        assert line is not None
        found = printed(line, soft_wrap=True)
        assert harmless(found)
        assert found.count("\n") == 1
        if full:
            assert json.loads(found)["text"] == text


@given(HOSTILE.map(lambda text: text.encode("utf-8", "replace").decode()))
def test_json_is_harmless_and_the_same_json(text: str) -> None:
    encoded = msgspec.json.encode({"text": text}).decode()
    assert harmless(safe(encoded))
    assert json.loads(safe(encoded)) == {"text": text}


@given(HOSTILE)
def test_a_log_line_is_one_harmless_line_of_json(text: str) -> None:
    out = io.StringIO()
    configure_logging("test", "0", stream=out)
    get_logger().warning("something", text=text, inner={"text": text})
    assert harmless(out.getvalue())
    assert out.getvalue().count("\n") == 1
    json.loads(out.getvalue())


def test_an_error_and_a_plain_line_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    stopped("".join(ESCAPES), "".join(ESCAPES))
    write("".join(ESCAPES))
    said = capsys.readouterr()
    assert harmless(said.out + said.err)
    assert "PWNED" in said.err


@settings(max_examples=15)
@given(st.lists(st.text(st.sampled_from("=+-@\t\r\n＝'\"a,;茶"), max_size=6), min_size=1, max_size=20))
def test_no_csv_cell_is_a_formula(texts: list[str]) -> None:
    import tempfile  # noqa: PLC0415 - one folder for each example

    with tempfile.TemporaryDirectory() as folder:
        events = [
            msgspec.structs.replace(AUDIENCE.comment(0, number), text=text, author="=1+1")
            for number, text in enumerate(texts)
        ]
        export(Path(folder), Selection(topic=FEEDBACK, format="csv"), feedback(events), {0: len(events)})
        (path,) = Path(folder).glob("*.csv")
        rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
        assert not [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@\t\r\n＝")]
        assert [row["text"].removeprefix("'") for row in rows] == [text.removeprefix("'") for text in texts]


@pytest.mark.parametrize("by_day", [None, "Asia/Shanghai"])
@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_export_is_private_and_its_folder_may_hold_any_sign(
    tmp_path: Path, format_: str, by_day: str | None
) -> None:
    folder = tmp_path / 'brand\'s "best"; --'
    selection = Selection(topic=FEEDBACK, format=format_, by_day=by_day)  # type: ignore[arg-type]
    run = export(folder, selection, feedback([AUDIENCE.comment(0, 1)]), {0: 1})
    assert run.rows == 1
    files = [folder / name for name in run.files] + [folder / "manifest.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
