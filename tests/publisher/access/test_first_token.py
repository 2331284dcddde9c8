"""The first start of a publisher hands out one token, on its standard output, and never again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from services.publisher.access.token_store import FILE_NAME, TokensFile
from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import client
from tests.publisher.process import ROOT, address, environment

NO_KAFKA = KafkaSettings(bootstrap="127.0.0.1:9", partitions=4)
COMMAND = [sys.executable, "-m", "services.publisher"]


def first_words(folder: Path) -> tuple[str, str]:
    """Standard output of one start, and its log; asks with the token that was found, if any."""
    out, log = folder / "out", folder / "log"
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(COMMAND, env=environment(folder, NO_KAFKA), cwd=ROOT, stdout=stdout, stderr=stderr)
    try:
        url = address(process, log)
        found = re.search(r"tb_[\w-]{43}", out.read_text("utf-8"))
        with client(url, found[0] if found else None) as http:
            asked = http.get("/campaigns")
        assert asked.status_code == (503 if found else 401), "known, but Kafka is away"
    finally:
        process.terminate()
        process.wait(20)
    return out.read_text("utf-8"), log.read_text("utf-8")


def test_it_is_printed_once_and_never_logged_and_a_restart_makes_none(tmp_path: Path) -> None:
    said, log = first_words(tmp_path)
    (token,) = re.findall(r"tb_[\w-]{43}", said)
    assert "首个访问令牌" in said
    assert token not in log
    granted = TokensFile(tmp_path / "state").granted(token)
    assert granted is not None
    assert granted.sees_all
    again, _ = first_words(tmp_path)
    assert again == ""


def test_a_broken_tokens_file_is_a_wrong_setting_not_a_new_beginning(tmp_path: Path) -> None:
    file = tmp_path / "state" / FILE_NAME
    file.parent.mkdir()
    file.write_bytes(b"{")
    ran = subprocess.run(
        COMMAND, env=environment(tmp_path, NO_KAFKA), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 2
    assert "tongbo token new" in ran.stderr
    assert "tb_" not in ran.stdout
    assert file.read_bytes() == b"{"
