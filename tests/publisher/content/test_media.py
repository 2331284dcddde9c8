"""A file is in the media folder whole, sound and typed by its content, or it is not there."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest

from services.publisher.media.uploads import MediaRefusedError, StoredMedia, UploadStore
from tests.publisher.conftest import picture

FILM = Path("deploy/demo/media/film.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> UploadStore:
    return UploadStore(tmp_path)


def upload(folder: UploadStore, data: bytes, expected: str | None = None) -> StoredMedia:
    one = folder.receive()
    for start in range(0, len(data), 7_000):
        one.write(data[start : start + 7_000])
    return one.finish(expected)


def refused(folder: UploadStore, data: bytes) -> str:
    with pytest.raises(MediaRefusedError) as caught:
        upload(folder, data)
    left = [path for path in folder.folder.rglob("*") if path.is_file()]
    assert left == [], "a refused file leaves nothing behind"
    return caught.value.code


@pytest.mark.parametrize(
    ("form", "content_type", "extension"),
    [("PNG", "image/png", "png"), ("JPEG", "image/jpeg", "jpg"), ("GIF", "image/gif", "gif"),
     ("WEBP", "image/webp", "webp"), ("BMP", "image/bmp", "bmp")],
)  # fmt: skip
def test_a_picture_is_typed_and_measured_by_its_content(
    folder: UploadStore, form: str, content_type: str, extension: str
) -> None:
    data = picture(64, 48, form)
    stored = upload(folder, data)
    assert stored.content_type == content_type
    assert (stored.width, stored.height, stored.size_bytes) == (64, 48, len(data))
    assert stored.uri == (folder.folder / f"{hashlib.sha256(data).hexdigest()}.{extension}").as_uri()
    assert folder.find(stored.sha256) == stored


def test_a_film_is_measured_by_its_boxes(folder: UploadStore) -> None:
    stored = upload(folder, FILM.read_bytes())
    assert (stored.content_type, stored.width, stored.height) == ("video/mp4", 720, 1280)
    assert stored.duration_s == pytest.approx(6.0, abs=0.01)


def test_a_film_cut_anywhere_is_refused_and_never_a_crash(folder: UploadStore) -> None:
    data = FILM.read_bytes()
    for length in [*range(12, 2_000, 13), len(data) // 2, len(data) - 1]:
        assert refused(folder, data[:length]) == "broken_video"


def test_a_film_with_any_header_byte_changed_is_measured_or_refused(folder: UploadStore) -> None:
    data = FILM.read_bytes()
    for place in range(0, 900, 3):
        damaged = data[:place] + bytes((data[place] ^ 0xFF,)) + data[place + 1 :]
        with contextlib.suppress(MediaRefusedError):
            assert upload(folder, damaged).size_bytes == len(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_cut_short_is_refused(folder: UploadStore, form: str) -> None:
    data = picture(300, 300, form)
    assert refused(folder, data[: len(data) * 2 // 3]) in ("broken_picture", "unknown_media_type")


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "empty_file"), (b"hello", "unknown_media_type"), (b"%PDF-1.7 ...", "unknown_media_type"),
     (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown_media_type")],
)  # fmt: skip
def test_what_is_no_media_is_refused(folder: UploadStore, data: bytes, code: str) -> None:
    assert refused(folder, data) == code


def test_other_bytes_than_announced_are_refused(folder: UploadStore) -> None:
    with pytest.raises(MediaRefusedError) as caught:
        upload(folder, picture(), expected="0" * 64)
    assert caught.value.code == "sha256_differs"


def test_the_same_file_twice_is_one_file_and_one_answer(folder: UploadStore) -> None:
    first, second = upload(folder, picture()), upload(folder, picture())
    assert first == second
    assert len([path for path in folder.folder.iterdir() if path.is_file()]) == 1


def test_an_abandoned_upload_leaves_nothing(folder: UploadStore) -> None:
    one = folder.receive()
    one.write(b"half")
    one.discard()
    assert [path for path in folder.folder.rglob("*") if path.is_file()] == []


def test_an_unknown_hash_is_not_found(folder: UploadStore) -> None:
    assert folder.find("0" * 64) is None
