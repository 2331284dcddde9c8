"""The order of the suite: long files early and apart, nothing lost, and no name of a file that has gone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from tests.order import LONGEST, put_in_order

TESTS = Path(__file__).parent


@dataclass
class _Item:
    path: Path
    number: int


def test_every_long_file_exists() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []


def test_long_files_come_early_and_apart_and_within_a_file_the_order_stays() -> None:
    files = sorted(TESTS.rglob("test_*.py"))
    items = [_Item(path, number) for path in files for number in range(2)]
    put_in_order(cast(list[pytest.Item], items))
    assert sorted((str(one.path), one.number) for one in items) == [(str(path), n) for path in files for n in range(2)]
    order = list(dict.fromkeys(one.path for one in items))
    places = [order.index(TESTS / name) for name in LONGEST]
    assert places[0] == 0
    assert all(later - earlier > 1 for earlier, later in pairwise(places))
    assert places[-1] < len(order) * 0.75
    assert all(one.number == index % 2 for index, one in enumerate(items))
