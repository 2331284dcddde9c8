"""Files for BI: right types, empty where a number is missing, whole or not at all, nothing twice and nothing missed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from typer.testing import CliRunner

from schemas.contract.event_types import types_of
from schemas.events.feedback import FeedbackEvent, Reading
from schemas.topics import load_topics, topic
from services.bi import export as exporting
from services.bi.columns import flat
from services.bi.export import export
from services.bi.manifest import Manifest, ManifestError, Selection, manifest_of
from services.cli.commands.view.export import moment
from services.cli.main import application
from services.runtime.kafka.records import Record
from tests.engagement_aggregator.audience import AUDIENCE, START, Table, encoded
from tests.engagement_aggregator.pipeline import Pipeline

AGGREGATE, FEEDBACK = topic("engagement-aggregate"), topic("feedback-unified")


def record(offset: int, key: str, value: bytes | None) -> Record:
    return Record("t", 0, offset, key.encode(), value, (), START)


def feedback(events: Sequence[FeedbackEvent]) -> list[Record]:
    return [record(offset, "k", value) for offset, value in enumerate(encoded(events))]


def rows_of(events: Sequence[FeedbackEvent], first: int = 0) -> list[Record]:
    table = Table()
    table.fold(encoded(events))
    return [
        record(first + offset, key, msgspec.json.encode(row)) for offset, (key, row) in enumerate(table.rows().items())
    ]


def read(folder: Path, what: str = "*", where: str = "true") -> list[dict[str, Any]]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute(f"SELECT {what} FROM '{folder}/**/*.parquet' WHERE {where}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


EVENTS: list[FeedbackEvent] = [
    AUDIENCE.metrics(0, 1, at=60, likes=0, views=1_234, saves=Reading(reason="failed")),
    AUDIENCE.comment(0, 1, at=70),
    AUDIENCE.reply(0, 1, at=80),
    AUDIENCE.followers(0, Reading(reason="not_yet"), at=90),
]


def test_a_missing_number_is_null_with_its_reason_and_a_true_zero_is_zero(tmp_path: Path) -> None:
    export(tmp_path, Selection(topic=AGGREGATE), rows_of(EVENTS), {0: 9})
    (row,) = read(tmp_path, where="scope = 'post'")
    assert row["totals_likes_value"] == 0
    assert row["totals_saves_value"] is None
    assert row["totals_saves_reason"] == "failed"
    assert row["comments_total"] is None
    assert row["as_of"] == START + timedelta(seconds=80)
    assert row["newest_observation"] == {"weibo": START + timedelta(seconds=80)}


def test_every_type_of_feedback_is_there_with_its_own_fields_and_null_for_the_others(tmp_path: Path) -> None:
    export(tmp_path, Selection(topic=FEEDBACK), feedback(EVENTS), {0: 4})
    by_type = {row["type"]: row for row in read(tmp_path)}
    assert by_type["MetricsObserved"]["readings_views_value"] == 1_234
    assert by_type["MetricsObserved"]["readings_clicks_reason"] == "unsupported"
    assert by_type["CommentObserved"]["text"] == "好看👍"
    assert by_type["CommentObserved"]["readings_views_value"] is None
    assert by_type["FollowersObserved"]["followers_reason"] == "not_yet"
    assert by_type["ReplyPosted"]["kafka_offset"] == 2


@pytest.mark.parametrize("spec", [spec for spec in load_topics() if "BI" in spec.consumers], ids=lambda spec: spec.name)
def test_every_published_example_of_what_bi_reads_can_be_exported(spec: Any, tmp_path: Path) -> None:
    examples = sorted((Path("schemas") / spec.examples).glob("*.json"))
    records = [record(n, str(n), path.read_bytes()) for n, path in enumerate(examples)]
    for format_ in ("parquet", "csv"):
        run = export(tmp_path / format_, Selection(topic=spec, format=format_), records, {0: len(records)})
        assert (run.rows, run.unreadable) == (len(records), 0)
    wanted = {column.name: column.type for column in flat(types_of(spec))}
    plain = {name: kind for name, kind in wanted.items() if "(" not in kind and "[" not in kind}
    described = duckdb.connect().execute(f"DESCRIBE SELECT * FROM '{tmp_path}/parquet/*.parquet'").fetchall()
    found = {name: kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for name, kind, *_ in described}
    assert {name: found[name] for name in plain} == plain
    assert wanted.keys() <= found.keys()


def test_csv_tells_null_from_the_empty_text_and_times_are_utc(tmp_path: Path) -> None:
    comment = msgspec.structs.replace(AUDIENCE.comment(0, 1), text="")
    export(tmp_path, Selection(topic=FEEDBACK, format="csv"), feedback([comment, EVENTS[0]]), {0: 2})
    (path,) = tmp_path.glob("*.csv")
    assert ',"",' in path.read_text()
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    assert [row["observed_at"] for row in rows] == ["2025-03-08T02:00:00.000000Z", "2025-03-08T02:01:00.000000Z"]
    assert rows[1]["readings_likes_value"] == "0"
    assert rows[1]["comments_total"] == rows[0]["readings_likes_value"] == ""


def test_csv_shows_maps_as_json(tmp_path: Path) -> None:
    export(tmp_path, Selection(topic=AGGREGATE, format="csv"), rows_of(EVENTS), {0: 9})
    (path,) = tmp_path.glob("*.csv")
    (row,) = [row for row in csv.DictReader(path.open(encoding="utf-8", newline="")) if row["scope"] == "post"]
    assert json.loads(row["freshness_s"]) == {"weibo": 0.0}


def test_only_the_newest_row_of_a_key_and_no_deleted_one_without_its_row_is_exported(tmp_path: Path) -> None:
    older, newer = rows_of(EVENTS[:1]), rows_of(EVENTS, first=100)
    export(tmp_path, Selection(topic=AGGREGATE), [*older, *newer], {0: 200})
    assert len(read(tmp_path)) == len({one.key for one in newer})
    assert {row["comments_collected"] for row in read(tmp_path, where="scope = 'campaign'")} == {1}


def test_filters_choose_by_brand_scope_and_time_of_observation(tmp_path: Path) -> None:
    events = [*EVENTS, AUDIENCE.metrics(2, 1, at=9_000, likes=3)]
    rows = rows_of(events)
    export(tmp_path / "brand", Selection(topic=AGGREGATE, brand="brand-b", scope="campaign"), rows, {})
    assert [row["campaign_id"] for row in read(tmp_path / "brand")] == ["camp-2"]
    since = START + timedelta(seconds=9_000)
    export(tmp_path / "since", Selection(topic=AGGREGATE, since=since), rows, {})
    assert {row["brand_id"] for row in read(tmp_path / "since")} == {"brand-b"}
    assert min(row["observed_at"] for row in read(tmp_path / "since")) == since


def test_days_are_those_of_the_zone_that_was_asked_for(tmp_path: Path) -> None:
    late = datetime(2025, 3, 8, 17, 0, tzinfo=UTC)  # already the 9th in Shanghai
    events: list[FeedbackEvent] = [AUDIENCE.metrics(0, 1, likes=1)]
    events.append(msgspec.structs.replace(AUDIENCE.comment(0, 1), observed_at=late))
    run = export(tmp_path, Selection(topic=FEEDBACK, by_day="Asia/Shanghai"), feedback(events), {0: 2})
    assert [Path(name).parent.name for name in run.files] == ["day=2025-03-08", "day=2025-03-09"]
    assert sum(len(read(tmp_path / Path(name).parent)) for name in run.files) == 2


def test_a_run_that_is_interrupted_leaves_nothing_that_counts_and_the_next_one_cleans_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selection = Selection(topic=FEEDBACK, by_day="UTC")
    export(tmp_path, selection, feedback(EVENTS), {0: 4})
    whole = set(tmp_path.rglob("*.parquet"))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    late = msgspec.structs.replace(AUDIENCE.comment(0, 9), observed_at=START + timedelta(days=3))
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "write_manifest", interrupted)  # the files stand, the manifest does not name them
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path, selection, [record(4, "k", msgspec.json.encode(late))], {0: 5})
    assert manifest_of(tmp_path, selection).next_offsets() == {0: 4}
    orphan = set(tmp_path.rglob("*.parquet")) - whole
    assert orphan
    run = export(tmp_path, selection, [record(4, "k", msgspec.json.encode(AUDIENCE.comment(0, 10)))], {0: 5})
    assert set(tmp_path.rglob("*.parquet")) == whole | {tmp_path / name for name in run.files}
    assert not orphan & set(tmp_path.rglob("*.parquet"))
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_with_another_export_is_not_mixed_into(tmp_path: Path) -> None:
    export(tmp_path, Selection(topic=AGGREGATE, brand="brand-a"), rows_of(EVENTS), {0: 9})
    with pytest.raises(ManifestError, match="brand"):
        export(tmp_path, Selection(topic=AGGREGATE), rows_of(EVENTS), {0: 9})


def test_a_record_that_cannot_be_read_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    records = [record(0, "a", b"{}"), record(1, "b", None), *feedback(EVENTS)[2:]]
    run = export(tmp_path, Selection(topic=FEEDBACK), records, {0: 4})
    assert (run.rows, run.unreadable) == (2, 1)


def test_since_is_meant_in_the_operator_s_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONGBO_ZONE", "Asia/Shanghai")
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert moment("2026-03-01", now) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert moment("2026-03-01T08:00Z", now) == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert moment("7d", now) == now - timedelta(days=7)


@pytest.fixture
def running(pipeline: Pipeline) -> Callable[..., tuple[int, str]]:
    pipeline.traffic(4)
    pipeline.start()
    pipeline.await_exact()

    def command(*arguments: str) -> tuple[int, str]:
        options = ["--kafka", pipeline.kafka.bootstrap, "--prefix", pipeline.settings.topic_prefix]
        result = CliRunner().invoke(application(), ["export", *options, *arguments])
        return result.exit_code, result.output

    return command


@pytest.mark.kafka
def test_runs_with_since_last_add_up_to_the_topic_with_nothing_twice_and_nothing_missed(
    pipeline: Pipeline, running: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    rows, raw = tmp_path / "rows", tmp_path / "raw"
    for _ in range(2):
        assert running("--since", "last", "--out", str(rows))[0] == 0
        assert running("--since", "last", "--topic", "feedback-unified", "--out", str(raw))[0] == 0
        pipeline.traffic(3)
        pipeline.await_exact()
    code, text = running("--out", str(rows))
    assert (code, "--since last" in text) == (2, True)
    assert running("--since", "last", "--out", str(rows))[0] == 0
    assert running("--since", "last", "--topic", "feedback-unified", "--out", str(raw))[0] == 0
    places = [(row["kafka_partition"], row["kafka_offset"]) for row in read(raw)]
    assert len(places) == len(set(places)) == pipeline.feedback_count()
    newest = "key, max_by(revision, revision) AS revision, max_by(engagement, revision) AS engagement"
    found = {
        row["key"]: (row["revision"], row["engagement"]) for row in read(rows, what=newest, where="true GROUP BY key")
    }
    assert found == {key: (row.revision, row.engagement) for key, row in pipeline.rows().items()}
    assert len(msgspec.json.decode((rows / "manifest.json").read_bytes(), type=Manifest).runs) == 3


@pytest.mark.kafka
def test_a_topic_that_is_not_for_bi_and_a_wrong_time_are_refused_by_name(
    running: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, text = running("--topic", "placement-ledger", "--out", str(tmp_path / "x"))
    assert (code, "engagement-aggregate" in text) == (2, True)
    assert running("--since", "tomorrow", "--out", str(tmp_path / "x"))[0] == 2
    assert running("--topic", "feedback-unified", "--scope", "post", "--out", str(tmp_path / "x"))[0] == 2
    assert not (tmp_path / "x").exists()
