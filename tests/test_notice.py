"""NOTICE lists what is locked, and names the licences that ask for more than a mention."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("deploy/notice.py", "NOTICE", "requirements.lock", "services/runtime/embedded_broker/jars.lock")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def check(root: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(root / "deploy/notice.py"), "--check"], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_it_is_up_to_date(copy: Path) -> None:
    assert check(copy) == (0, "")


@pytest.mark.parametrize(
    ("file", "before", "after", "named"),
    [
        ("requirements.lock", r"^httpx==\S+", "httpx==99.0", "httpx 99.0"),
        ("requirements.lock", r"\Z", "\nleft-pad==1.0 \\\n", "left-pad 1.0"),
        ("requirements.lock", r"^h11==(.*\n    .*)+", "", "h11 -"),
        ("services/runtime/embedded_broker/jars.lock", r"\Z", "\nabc  left-pad-1.jar\n", "left-pad-1.jar"),
        ("NOTICE", r"^(- httpx \S+: ).*", r"\1UNKNOWN", "UNKNOWN"),
        ("NOTICE", r"(?s).*", "", "httpx"),
    ],
)
def test_a_stale_one_is_told_with_the_way_out(copy: Path, file: str, before: str, after: str, named: str) -> None:
    path = copy / file
    text = path.read_text()
    changed = re.sub(before, after, text, count=1, flags=re.M)
    assert changed != text
    path.write_text(changed)
    code, said = check(copy)
    assert code == 1
    assert named in said
    assert "make notice" in said


def test_every_licence_that_asks_for_more_is_named_at_the_top() -> None:
    head, _, lists = (ROOT / "NOTICE").read_text().partition("\nPython packages")
    copyleft = re.findall(r"^- (\S+)(?: \S+)?: .*(?:GPL|MPL|Mozilla|Lesser)", lists, re.M)
    assert len(copyleft) >= 5
    assert [name for name in copyleft if name not in head] == []


def test_make_check_runs_it() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    assert "deploy/notice.py --check" in recipe
