"""Cycles leave memory, and looking for them holds up the rows only now and then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from services.engagement_aggregator.partitions.gc_pauses import GcPauses


class Knot:
    """Holds itself, as only the collector can undo."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_new_cycles_go_with_a_quick_look_and_old_ones_with_the_whole_one() -> None:
    now = [0.0]
    collector = GcPauses(lambda: now[0])
    collector.begin()
    old, new = Knot(), Knot()
    of_old, of_new = weakref.ref(old), weakref.ref(new)
    del new
    collector.flushed()
    assert of_new() is not None, "it is not time yet"
    now[0] = 10.0
    collector.flushed()
    assert of_new() is None
    del old  # has been looked at before, and was in use
    now[0] = 20.0
    collector.flushed()
    assert of_old() is not None, "a look at everything, every ten seconds"
    now[0] = 600.0
    collector.flushed()
    assert of_old() is None
