"""Media through the real adapter process: a video far larger than memory, pictures that are not what they should be."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.events.content import MediaRef
from schemas.events.placement import PlacementRecord
from tests.pipeline.stack import Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(560)]
MIB = 1 << 20
SIZE = 3072 * MIB
PART = 20 * MIB  # what the adapter uploads at once
PARTS = -(-SIZE // PART)
MOST_MB = 200
PATIENCE_S = 250.0  # some 20 s on an idle machine: 3 GB are hashed twice, and 154 parts go through the ledger
UPLOAD = "video/upload_video_part"
PATIENT = {"TONGBO_CALL_TIMEOUT_S": "60"}  # a part whose answer is not waited for goes up once more


def sparse_video(folder: Path) -> MediaRef:
    """3 GB that take no disk: what is measured is what passes through, not what it says."""
    folder.mkdir(exist_ok=True)
    digest, zeros = hashlib.sha256(), bytes(4 * MIB)
    for _ in range(SIZE // len(zeros)):
        digest.update(zeros)
    file = folder / f"{digest.hexdigest()}.mp4"
    with file.open("wb") as out:
        out.truncate(SIZE)
    return MediaRef(
        media_id="film", role="video", uri=file.as_uri(), sha256=digest.hexdigest(), content_type="video/mp4",
        size_bytes=SIZE, width=720, height=1280, duration_s=600.0,
    )  # fmt: skip


def peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def final(stack: Stack, content_id: str) -> PlacementRecord | None:
    found = [one for one in stack.ledger().values() if one.content_id == content_id and one.is_final]
    return found[0] if found else None


def calls(stack: Stack, endpoint: str) -> int:
    return sum(one.endpoint == endpoint for one in list(stack.simulator.simulation.calls))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("media")) as running:
        running.start_kafka()
        yield running


def test_a_broken_picture_rejects_its_placement_with_a_reason_and_no_other(stack: Stack) -> None:
    target = [("douyin", "qinghe-tea")]
    good, changed, missing = (stack.picture(name, "gallery") for name in ("good", "changed", "missing"))
    (stack.folder / "media" / f"{changed.sha256}.jpg").write_bytes(b"not what was promised")
    (stack.folder / "media" / f"{missing.sha256}.jpg").unlink()
    stack.start("adapter_douyin")
    for name, media in (("changed", [good, changed]), ("missing", [missing]), ("good", [good])):
        stack.publish(content(name, target, kind="pictures", media=media))
    records = {record.content_id: record for record in stack.wait("all final", lambda: stack.all_final(3)).values()}
    assert {name: record.state for name, record in records.items()} == {
        "changed": "REJECTED", "missing": "REJECTED", "good": "LIVE",
    }  # fmt: skip
    for name in ("changed", "missing"):
        failure = records[name].failure
        assert failure is not None
        assert failure.error_class == "media"
        assert name in failure.message, "which file it is must be told"
    assert len(stack.posts("douyin")) == 1
    stack.kill("adapter_douyin")


def test_three_gigabytes_go_out_in_constant_memory_and_resume_at_the_part_after_kill_9(stack: Stack) -> None:
    video = sparse_video(stack.folder / "media")
    worker = stack.start("adapter_douyin", env=PATIENT)
    stack.publish(content("film", [("douyin", "qinghe-tea")], kind="video", media=[video]))
    stack.wait("a third is up", lambda: calls(stack, UPLOAD) >= PARTS // 3, PATIENCE_S)
    peaks = [peak_mb(worker.pid)]
    stack.kill("adapter_douyin")
    before = calls(stack, UPLOAD)
    worker = stack.start("adapter_douyin", env=PATIENT)
    stack.wait("all parts are up", lambda: calls(stack, UPLOAD) >= PARTS, PATIENCE_S)
    record = stack.wait("it is final", lambda: final(stack, "film"))
    peaks.append(peak_mb(worker.pid))
    print(f"peak MB before and after the kill: {peaks}; parts before it: {before} of {PARTS}")
    assert record.state == "LIVE"
    assert max(peaks) < MOST_MB
    assert before < PARTS
    assert calls(stack, "video/init_video_part_upload") == 1, "the upload began anew"
    assert calls(stack, UPLOAD) <= PARTS + 1, "more than the part that was interrupted went up again"
    assert sum(post.kind == "video" for post in stack.posts("douyin")) == 1
