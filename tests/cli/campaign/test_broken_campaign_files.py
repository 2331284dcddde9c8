"""Whatever is wrong with a campaign file, its texts or its media: a message with a place, exit 2, and nothing sent."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.cli.main import application
from services.cli.publisher import session
from services.cli.publisher.client import UnreachableError
from tests.cli.conftest import DEMO
from tests.publisher.desks.mutations import FRAGMENTS, broken

SENT, REFUSED = 1, 2  # nobody answers in these tests: what would be sent ends with 1
SIGNS = (
    "&a ", "*a", "<<: *a", "!!binary x", "!!set {a}", "!!python/name:os.system ", "!x ", "? ", "- ", ": ", "---\n",
    "...\n", "%YAML 9.9\n", "%TAG ! x\n", "| \n", ">-\n", "'", '"', "[", "]", "{", "}", "#", "@", "`", ".nan", "-.inf",
    "1e999", "0x", "0o9", "1_0", "~", "2026-13-45", "12:99:99", "=", "\t", "\n", "\r", "\x00", "\x85", "\ufeff",
    "\ud800",
    "[" * 3_000, "{a: " * 3_000, "- " * 3_000, "  " * 40, "a: " * 50,
)  # fmt: skip
APP = application()


class NobodyThere:
    """Stands for the publisher: reaching for it means that something would have been sent."""

    def __init__(self, url: str, *_: Any, **__: Any) -> None:
        raise UnreachableError(url)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], tuple[int, str]]:
    """`command(file)` is `tongbo publish file`: its exit code and what it said. Any exception fails the test."""
    monkeypatch.setenv("TONGBO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TONGBO_PUBLISHER_URL", "http://nobody.example")
    monkeypatch.setattr(session, "PublisherClient", NobodyThere)

    def run(file: Path) -> tuple[int, str]:
        result = CliRunner().invoke(APP, ["publish", str(file)], catch_exceptions=False)
        return result.exit_code, result.stderr

    return run


def refused(code: int, said: str, *names: str) -> None:
    assert code == REFUSED, said
    assert "没有发送任何内容" in said
    assert "Traceback" not in said
    assert any(name in said for name in names), said


@st.composite
def mangled(draw: st.DrawFn, text: str) -> bytes:
    """The text as a bad editor, a bad merge or a cat on the keyboard leaves it."""
    for _ in range(draw(st.integers(1, 3))):
        lines = text.splitlines(keepends=True) or [""]
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(("insert", "drop", "double", "indent", "cut", "insert", "swap"))):
            case "insert":
                column = draw(st.integers(0, len(lines[at])))
                sign = draw(st.sampled_from((*SIGNS, *FRAGMENTS)))
                lines[at] = lines[at][:column] + sign + lines[at][column:]
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "indent":
                lines[at] = draw(st.sampled_from((" ", "\t", "      "))) + lines[at]
            case "cut":
                lines = lines[: at + 1]
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
        text = "".join(lines)
    raw = text.encode("utf-8", "surrogatepass")
    return raw if draw(st.integers(0, 20)) != 13 else raw[: len(raw) // 2] + b"\xff\x00" + raw[len(raw) // 2 :]


def as_yaml(data: Any) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")


SAMPLE = (DEMO / "campaign.yaml").read_text("utf-8")


@pytest.mark.parametrize("how", ["text", "data"])
def test_no_broken_campaign_file_crashes_or_is_half_sent(
    command: Callable[[Path], tuple[int, str]], demo: Path, how: str
) -> None:
    files = mangled(SAMPLE) if how == "text" else broken(yaml.safe_load(SAMPLE)).map(as_yaml)
    codes = Counter[int]()

    @settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(files)
    def publish_it(raw: bytes) -> None:
        demo.write_bytes(raw)
        code, said = command(demo)
        codes[code] += 1
        if code != SENT:
            refused(code, said, "campaign.yaml", *(file.name for file in demo.parent.glob("*.md")))

    publish_it()
    assert codes[REFUSED] > 40, codes
    assert codes[SENT] > 5, codes


def test_no_broken_markdown_crashes_or_is_half_sent(command: Callable[[Path], tuple[int, str]], demo: Path) -> None:
    story = demo.parent / "launch-story.md"

    @settings(max_examples=60, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mangled(story.read_text("utf-8")))
    def publish_it(raw: bytes) -> None:
        story.write_bytes(raw)
        code, said = command(demo)
        if code != SENT:
            refused(code, said, "launch-story.md")

    publish_it()


NO_FILE = ("none", "media", "/dev/zero", "pipe", "loop", "/proc/self/mem", '"a\\0b"', "x" * 300, "secret")
MEDIUM, TEXT = "file: media/film.mp4", "body_file: launch-story.md"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("field", "named"), [(field, one) for field in (MEDIUM, TEXT) for one in NO_FILE] + [(MEDIUM, '""'), (MEDIUM, "~")]
)
def test_a_path_that_is_no_readable_file_is_named_and_nobody_waits_for_it(
    command: Callable[[Path], tuple[int, str]], demo: Path, field: str, named: str
) -> None:
    os.mkfifo(demo.parent / "pipe")
    (demo.parent / "loop").symlink_to("loop")
    (demo.parent / "secret").mkdir(mode=0)
    demo.write_text(SAMPLE.replace(field, f"{field.partition(':')[0]}: {named}", 1), "utf-8")
    refused(*command(demo), "campaign.yaml:")


@pytest.mark.parametrize("content", [b"", b"\x00" * 10, b"%PDF-1.7", b"<svg/>", b"\x00\x00\x00\x18ftypmp42", b"GIF89a"])
@pytest.mark.parametrize("name", ["film.mp4", "article-cover.jpg"])
def test_a_medium_that_is_none_by_its_content_is_refused_before_anything_is_sent(
    command: Callable[[Path], tuple[int, str]], demo: Path, content: bytes, name: str
) -> None:
    (demo.parent / "media" / name).write_bytes(content)
    code, said = command(demo)
    refused(code, said, "campaign.yaml:")
    assert name in said


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_medium_cut_short_is_refused_before_anything_is_sent(
    command: Callable[[Path], tuple[int, str]], demo: Path, kept: float
) -> None:
    for name in ("film.mp4", "article-cover.jpg"):
        file = demo.parent / "media" / name
        file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    code, said = command(demo)
    refused(code, said, "campaign.yaml:")
    assert "film.mp4" in said
    assert "article-cover.jpg" in said


@pytest.mark.parametrize("path", ["none.yaml", ".", "media"])
def test_a_campaign_file_that_cannot_be_read_is_named(
    command: Callable[[Path], tuple[int, str]], demo: Path, path: str
) -> None:
    refused(*command(demo.parent / path), str(demo.parent))


def test_a_yaml_bomb_is_refused_before_it_grows(command: Callable[[Path], tuple[int, str]], demo: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    demo.write_text("\n".join(levels), "utf-8")
    refused(*command(demo), "campaign.yaml")
