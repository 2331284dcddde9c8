"""A file is in the media folder whole, sound and typed by its content, or it is not there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import struct
import subprocess
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image, ImageFile

from services.publisher.media import mp4
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


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), (720, 1280)), ((0, 1, -1, 0), (1280, 720)), ((0, -1, 1, 0), (1280, 720)),
        ((-1, 0, 0, -1), (720, 1280)), ((-1, 0, 0, 1), (720, 1280)), ((0, 0, 0, 0), (720, 1280)),
    ],
)  # fmt: skip
def test_a_film_that_a_phone_has_turned_is_measured_as_it_is_shown(
    folder: UploadStore, matrix: tuple[int, ...], shown: tuple[int, int]
) -> None:
    stored = upload(folder, turned(FILM.read_bytes(), *matrix))
    assert (stored.width, stored.height) == shown


def turned(film: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """The film with another matrix in its picture track's tkhd box."""
    data = bytearray(film)
    for found in re.finditer(rb"tkhd", film):
        start = found.start() - 4
        end = start + struct.unpack_from(">I", film, start)[0]
        if struct.unpack_from(">I", film, end - 8)[0]:  # a width: this is the picture
            one = 1 << 16
            struct.pack_into(">9i", data, end - 44, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    return bytes(data)


@pytest.mark.parametrize("form", ["EPS", "TIFF", "ICO", "PPM", "TGA", "PCX", "SGI", "DDS", "ICNS", "PDF", "JPEG2000"])
def test_no_other_decoder_sees_an_upload(folder: UploadStore, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(out, form)
    tried: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: tried.append(words))
    assert refused(folder, out.getvalue()) == "unknown_media_type"
    assert tried == [], "PostScript would start another program"


def test_a_decoder_that_fails_in_its_own_way_means_a_broken_picture(
    folder: UploadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Image.Image) -> None:
        raise NotImplementedError("some day")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fails)
    assert refused(folder, picture()) == "broken_picture"


def test_a_jpeg_with_a_second_picture_inside_is_a_jpeg(folder: UploadStore) -> None:
    out = io.BytesIO()
    first, second = Image.new("RGB", (64, 48), "green"), Image.new("RGB", (32, 24), "red")
    first.save(out, "MPO", save_all=True, append_images=[second])
    stored = upload(folder, out.getvalue())
    assert (stored.content_type, stored.width, stored.height) == ("image/jpeg", 64, 48)
    assert stored.uri.endswith(".jpg")


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix", b"avif", b"avis"])
def test_a_phones_picture_is_named_and_told_what_to_become(folder: UploadStore, brand: bytes) -> None:
    with pytest.raises(MediaRefusedError) as caught:
        upload(folder, b"\x00\x00\x00\x18ftyp" + brand + b"\x00\x00\x00\x00mif1heic" + b"\x00" * 64)
    assert (caught.value.code, "JPEG" in caught.value.way_out) == ("picture_of_a_phone", True)


def test_a_file_of_nothing_but_boxes_is_refused_after_the_first_thousands(
    folder: UploadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Counter[str]()
    read = mp4._read

    def counted(file: BinaryIO, place: int, count: int) -> bytes:
        looks["read"] += 1
        return read(file, place, count)

    monkeypatch.setattr(mp4, "_read", counted)
    data = struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 8, b"free") * 300_000
    assert refused(folder, data) == "broken_video"
    assert 1_000 < looks["read"] < 11_000


def test_each_upload_is_decoded_once(folder: UploadStore, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    load = ImageFile.ImageFile.load

    def counted(self: ImageFile.ImageFile) -> object:
        decoded.append(str(self.filename))
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    stored = upload(folder, picture(33, 44))
    assert folder.find(stored.sha256) == stored
    assert len(set(decoded)) == 1


def test_what_a_killed_process_left_is_cleared_and_what_arrives_now_is_not(tmp_path: Path) -> None:
    folder = UploadStore(tmp_path)
    old, new = folder.receive(), folder.receive()
    for one in (old, new):
        one.write(b"half")
    incoming = sorted((tmp_path / ".incoming").iterdir(), key=lambda path: path != old._path)
    os.utime(incoming[0], (1, 1))
    UploadStore(tmp_path)
    assert list((tmp_path / ".incoming").iterdir()) == incoming[1:]


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
