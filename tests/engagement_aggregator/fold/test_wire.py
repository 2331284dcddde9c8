"""The lean types that the fold reads events with: they may not drift from the contract, nor accept what it refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from schemas.codec import DecodeError, decoder
from schemas.events.feedback import (
    CommentObserved,
    FollowersObserved,
    MetricsObserved,
    Reading,
    Readings,
    ReplyPosted,
)
from services.engagement_aggregator.fold import wire
from tests.engagement_aggregator.audience import AUDIENCE, Table, encoded

EXAMPLES = Path(__file__).parents[3] / "schemas/examples/feedback-unified"
PAIRS: list[tuple[type[Struct], type[Struct]]] = [
    (wire.ReadComment, CommentObserved),
    (wire.ReadSnapshot, MetricsObserved),
    (wire.ReadFollowers, FollowersObserved),
    (wire.ReadReply, ReplyPosted),
    (wire.Read, Reading),
    (wire.AllRead, Readings),
]


@pytest.mark.parametrize(("lean", "contract"), PAIRS, ids=lambda kind: kind.__name__)
def test_a_field_of_the_contract_is_never_left_unread(lean: type[Struct], contract: type[Struct]) -> None:
    mine = {field.name: field.required for field in msgspec.structs.fields(lean)}
    theirs = {field.name: field.required for field in msgspec.structs.fields(contract)}
    assert mine == theirs
    assert lean.__struct_config__.tag == contract.__struct_config__.tag


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("**/*.json")), ids=lambda path: path.stem)
def test_the_fold_refuses_exactly_the_examples_that_the_contract_refuses(path: Path) -> None:
    value = msgspec.json.encode(msgspec.json.decode(path.read_bytes()))
    try:
        decoder("feedback-unified")(value)
        refused = []
    except DecodeError:
        refused = ["undecodable"]
    known = encoded([AUDIENCE.metrics(0, 1, likes=1)])
    for batch in ([value], [*known, value, *known]):
        assert [one.cause for one in Table().fold(batch).refused] == refused


def test_a_record_with_a_line_break_inside_is_one_record() -> None:
    pretty = msgspec.json.format(encoded([AUDIENCE.metrics(0, 2, likes=5)])[0] or b"", indent=1)
    table = Table()
    assert table.fold([*encoded([AUDIENCE.metrics(0, 1, likes=1)]), pretty]).refused == []
    assert table.rows()["campaign:camp-0"].totals.likes.value == 5
