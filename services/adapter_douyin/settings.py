"""Timing of the calls to Douyin, and when a video is uploaded in parts."""

from __future__ import annotations

from dataclasses import dataclass

from services.adapter.contract.adapter import Timing
from services.adapter_douyin.limits import MIB

DEFAULT_BASE_URL = "https://open.douyin.com"

# A new post is expected in its author's list at once; the minute is a margin.
TIMING = Timing(look_after_s=60.0, look_every_s=60.0, looks=2, follow_every_s=30.0, call_timeout_s=20.0)


@dataclass(frozen=True, slots=True)
class Uploading:
    """Videos above `in_parts_above` bytes go in parts of `part_bytes` (platform: 5 MB minimum, 20 MB recommended).

    timeout_s: longest time without any answer during an upload.
    """

    in_parts_above: int = 50 * MIB
    part_bytes: int = 20 * MIB
    timeout_s: float = 120.0


UPLOADING = Uploading()
