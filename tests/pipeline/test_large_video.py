"""A video far larger than memory goes out in parts: constant memory, and kill -9 costs one part, not the upload."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from schemas.content import MediaRef
from tests.pipeline.stack import Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
MIB = 1 << 20
SIZE = 3072 * MIB
PART = 20 * MIB  # what the adapter uploads at once
PARTS = -(-SIZE // PART)
MOST_MB = 200
UPLOAD = "video/upload_video_part"


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


def calls(stack: Stack, endpoint: str) -> int:
    return sum(one.endpoint == endpoint for one in list(stack.simulator.simulation.calls))


def test_three_gigabytes_go_out_in_constant_memory_and_resume_at_the_part_after_kill_9(stack: Stack) -> None:
    video = sparse_video(stack.folder / "media")
    stack.start_kafka()
    worker = stack.start("adapter_douyin")
    stack.publish(content("film", [("douyin", "qinghe-tea")], kind="video", media=[video]))
    stack.wait("a third is up", lambda: calls(stack, UPLOAD) >= PARTS // 3)
    peaks = [peak_mb(worker.pid)]
    stack.kill("adapter_douyin")
    before = calls(stack, UPLOAD)
    worker = stack.start("adapter_douyin")
    stack.wait("all parts are up", lambda: calls(stack, UPLOAD) >= PARTS, 240)
    (record,) = stack.wait("it is final", lambda: stack.all_final(1)).values()
    peaks.append(peak_mb(worker.pid))
    print(f"peak MB before and after the kill: {peaks}; parts before it: {before} of {PARTS}")
    assert record.state == "LIVE"
    assert max(peaks) < MOST_MB
    assert before < PARTS
    assert calls(stack, "video/init_video_part_upload") == 1, "the upload began anew"
    assert calls(stack, UPLOAD) <= PARTS + 1, "more than the part that was interrupted went up again"
    assert len(stack.posts("douyin")) == 1
