"""Which partition a campaign lives in: the same number in every entity topic and for every client, also Java's."""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C


def partition_of(campaign_id: str, count: int) -> int:
    """The partition of a campaign among `count`, as Java's default partitioner places a record with this key."""
    if count < 1:
        raise ValueError(f"分区数必须至少为 1 / partition count must be at least 1, not {count}")
    return (murmur2(campaign_id.encode()) & 0x7FFFFFFF) % count


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit Murmur2 (org.apache.kafka.common.utils.Utils.murmur2), unsigned."""
    hashed = (_SEED ^ len(data)) & _MASK
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ (word >> 24)) * _MULTIPLIER & _MASK
        hashed = (hashed * _MULTIPLIER & _MASK) ^ word
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ (hashed >> 13)) * _MULTIPLIER & _MASK
    return hashed ^ (hashed >> 15)
