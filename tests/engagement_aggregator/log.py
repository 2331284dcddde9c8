"""Record batches in the bytes in which a broker keeps them, with the offsets, markers and checksums it gives them."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack, pack_into

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from crc32c import crc32c

COMMIT, ABORT = 1, 0


def broker_batch(
    values: Mapping[int, bytes | None],
    *,
    next_offset: int | None = None,
    producer: int = -1,
    key: bytes = b"key",
    control: bool = False,
) -> bytes:
    """One batch with these values at these offsets. next_offset: later than the last where compaction took records."""
    first, last = min(values), max(values) if next_offset is None else next_offset - 1
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1_000_000,
    )
    for offset, value in values.items():
        builder.append(offset - first, 1_700_000_000_000, key, value, [("trace", "追踪".encode())])
    data = bytearray(builder.build())
    pack_into(">q", data, 0, first)
    pack_into(">i", data, 23, last - first)
    if control:
        data[22] |= 0x20
    pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    return bytes(data)


def marker(offset: int, producer: int, kind: int) -> bytes:
    """The control batch with which a transaction ends."""
    return broker_batch({offset: b""}, producer=producer, key=pack(">hh", 0, kind), control=True)
