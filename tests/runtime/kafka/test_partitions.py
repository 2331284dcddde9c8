"""The same campaign in the same partition for every client of the topics, whatever its language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.runtime.kafka.partitions import murmur2, partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, signed there.
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "hashed"), JAVA.items())
def test_the_hash_equals_javas(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed % 2**32
    assert partition_of(data.decode(), 12) == (hashed & 0x7FFFFFFF) % 12


@given(some.text(), some.integers(1, 64))
def test_every_campaign_has_a_partition_that_exists(campaign: str, count: int) -> None:
    assert 0 <= partition_of(campaign, count) < count


def test_no_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="not 0"):
        partition_of("campaign", 0)
