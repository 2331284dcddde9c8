"""How many damaged inputs are tried: a few hundred in the suite, `FUZZ_CASES` of them in `make fuzz`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CASES = int(os.environ.get("FUZZ_CASES", "300"))
FLOOD_S = float(os.environ.get("FLOOD_S", "3"))
MOST_CPU_S = 2.0  # for one input; a few milliseconds are usual
T = TypeVar("T", bound=Callable[..., Any])

FRAGMENTS = (
    b"", b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x80\x00\x00\x00",
    b"<", b">", b"</xml>", b"<![CDATA[", b"]]>", b"&lt;", b"&#0;", b"&#x110000;", b"<!DOCTYPE x>", b'"', b"\\", b"{",
    b"}", b"[", b"]", b"null", b"true", b"-1", b"1e400", b"99999999999999999999", b"%00", b"&", b"=", b"\xed\xa0\x80",
    "好🍵".encode(), b"\x1b]0;x\x07", "\u202e".encode(), b"moov", b"mdat", b"stsd", b"IHDR", b"IDAT", b"\xff\xd8\xff",
    b"GIF89a",
)  # fmt: skip
PUT = st.binary(max_size=8) | st.sampled_from(FRAGMENTS)
DAMAGE = st.tuples(st.integers(0, 1 << 20), st.integers(0, 64), st.integers(0, 9), PUT)
DAMAGES = st.lists(DAMAGE, min_size=1, max_size=4)


def damaged(data: bytes, damages: list[tuple[int, int, int, bytes]]) -> bytes:
    """Bytes replaced, cut out, put in, repeated, or everything behind them left out."""
    for place, cut, kind, put in damages:
        at = place % (len(data) + 1)
        if kind == 0:
            data = data[:at]
        elif kind == 1:
            data = data[:at] + data[at : at + cut] * 2 + data[at + cut :]
        elif kind == 2:
            data = data[:at] + put * (cut + 1) + data[at:]
        else:
            data = data[:at] + put + data[at + cut :]
    return data


def many_cases(cases: int = CASES) -> Callable[[T], T]:
    """Settings of a property that is tried so often; the same inputs each time in the suite."""
    return settings(
        max_examples=cases, derandomize="FUZZ_CASES" not in os.environ, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@contextmanager
def in_time(what: object) -> Iterator[None]:
    began = time.thread_time()
    yield
    assert time.thread_time() - began < MOST_CPU_S, what
