"""Damaged pictures and films: measured or refused with a reason, never a crash, in bounded time."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.publisher.media.uploads import MediaRefusedError, check
from tests.fuzz.cases import CASES, DAMAGES, damaged, in_time, many_cases

DEMO = Path("deploy/demo/media")
FORMS = (
    "PNG",
    "JPEG",
    "GIF",
    "WEBP",
    "BMP",
    "TIFF",
    "PPM",
    "TGA",
    "ICO",
    "DDS",
    "PCX",
    "SGI",
    "EPS",
    "PDF",
    "JPEG2000",
)


def _pictures() -> dict[str, bytes]:
    made = {}
    for form in FORMS:
        for mode in ("RGB", "L", "P", "RGBA", "I;16"):
            out = io.BytesIO()
            with contextlib.suppress(OSError, KeyError, ValueError):
                Image.new(mode, (33, 17)).save(out, form)
                made[f"{form} {mode}"] = out.getvalue()
    return made


def _film() -> bytes:
    """The demo film without most of its samples: its boxes are what is read."""
    whole = (DEMO / "film.mp4").read_bytes()
    at = whole.find(b"moov") - 4
    return whole[:64] + whole[at : at + 8_000] if at > 64 else whole[:8_000]


WHOLE = {**_pictures(), "film": (DEMO / "film.mp4").read_bytes()[:300_000], "film's boxes": _film()}
SEEDS = st.sampled_from(sorted(WHOLE))


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return tmp_path / "file"


def judge(file: Path, data: bytes) -> str:
    file.write_bytes(data)
    with in_time(data[:100]):
        try:
            check(file)
        except MediaRefusedError as refused:
            told = (refused.code, refused.message, refused.message_en, refused.way_out)
        else:
            return "measured"
    assert all(told), told
    return "refused"


def test_what_is_whole_is_measured_where_it_can_be_published(judged: Path) -> None:
    forms = {name for name, data in WHOLE.items() if judge(judged, data) == "measured"}
    assert {"PNG RGB", "JPEG RGB", "GIF P", "WEBP RGB", "BMP RGB"} <= forms


@many_cases()
@given(SEEDS, DAMAGES)
def test_a_damaged_file_is_measured_or_refused(
    judged: Path, name: str, damages: list[tuple[int, int, int, bytes]]
) -> None:
    judge(judged, damaged(WHOLE[name], damages))


@many_cases(max(CASES // 3, 100))
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x00\x00\x00\x18ftypmp42", b"\x89PNG\r\n\x1a\n", b"GIF89a"]))
def test_any_bytes_are_measured_or_refused(judged: Path, data: bytes, before: bytes) -> None:
    judge(judged, before + data)


LEAVES = st.sampled_from([b"ftyp", b"mdat", b"free", b"mvhd", b"tkhd", b"stsd", b"hdlr", b"elst"])
FOLDERS = st.sampled_from([b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"meta"])
BOXES = st.recursive(
    st.tuples(LEAVES, st.binary(max_size=120)),
    lambda inner: st.tuples(FOLDERS, st.lists(inner, max_size=6)),
    max_leaves=25,
)


def _box(tree: tuple[bytes, bytes | list[object]], lie: int) -> bytes:
    name, inner = tree
    body = inner if isinstance(inner, bytes) else b"".join(_box(one, lie) for one in inner)  # type: ignore[arg-type]
    return max(0, len(body) + 8 + lie).to_bytes(4, "big") + name + body


@many_cases()
@given(st.lists(BOXES, max_size=6), st.sampled_from([0, 0, 0, 1, -1, -8, 1 << 20]), st.integers(1, 300))
def test_boxes_in_any_order_depth_and_number_are_measured_or_refused(
    judged: Path, trees: list[tuple[bytes, bytes | list[object]]], lie: int, times: int
) -> None:
    data = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"".join(_box(tree, lie) for tree in trees) * times
    judge(judged, data[:1_000_000])
