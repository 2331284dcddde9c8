"""Hostile texts through what is printed, shown as HTML or told of settings; the rest is in test_terminal_safety.py."""

from __future__ import annotations

import ast
import contextlib
import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from services.adapter.localising.article import ArticleRules, as_markdown, place_pictures, render_article
from services.cli.reports.story import Language, told
from services.publisher.access import token_cli
from services.publisher.api.answers import PlacementDetail
from services.runtime.main import run_service
from services.runtime.safe_text import safe_line
from services.runtime.settings import ServiceSettings
from tests.cli.reports.test_story import RECORD, STATUS
from tests.cli.test_terminal_safety import HOSTILE, harmless, printed
from tests.fuzz.cases import many_cases

SERVICES = Path(__file__).parents[2] / "services"
LONG = st.sampled_from(["x", "字", "\x1b[2J", "\u202e", "=1+1 ", "<b>", "e\u0301"]).map(lambda text: text * 3_000)
TEXTS = HOSTILE | LONG
STRUCTURE = {"state", "platform", "account", "slot", "kind", "error_class", "sent", "form", "name", "effect", "type",
             "content_type", "role", "outcome"}  # fmt: skip


def poisoned(value: Any, text: str, name: str = "") -> Any:
    """The same with this text in every field that holds words of anybody."""
    if isinstance(value, msgspec.Struct):
        changed = {
            field: poisoned(getattr(value, field), text, field)
            for field in value.__struct_fields__
            if field not in STRUCTURE
        }
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(poisoned(one, text, name) for one in value)
    return text if isinstance(value, str) else value


@many_cases()
@given(TEXTS, st.sampled_from(["zh", "en"]))
def test_the_story_of_a_placement_is_harmless_line_by_line(text: str, language: Language) -> None:
    detail = PlacementDetail(status=poisoned(STATUS, text), record=poisoned(RECORD, text))
    lines = [safe_line(line.text) for line in told(detail, "微博", language)]
    assert all("\n" not in line for line in lines)
    assert harmless(printed(*(Text(line) for line in lines), soft_wrap=True))


TAGS = {
    "p", "section", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "del", "code", "pre", "blockquote", "ul",
    "ol", "li", "hr", "br", "a", "img", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = {"href", "src", "alt", "title", "style", "start", "class", "align"}
SCHEMES = ("http://", "https://", "mailto:", "media:", "#", "/")
FRAGMENTS = (
    "<script>", "<img src=x onerror=y>", "</p>", "](javascript:alert(1))", "[a](", "![a](", "media:m1", 'media:no" x="',
    ")", "\n\n", "`", "```\n", "> ", "- ", "| a | b |\n|-|-|\n", '<https://h/">', "[a]: data:text/html,x\n", "[a]",
    "&lt;", "&#106;avascript:", "\x00", "\u202e", "\x1b]0;x\x07", "\\", '"', "'", 'style="', " onclick=",
    "url(javascript:x)",
)  # fmt: skip
MARKDOWN = st.lists(st.sampled_from(FRAGMENTS) | TEXTS, max_size=10).map(
    lambda parts: "".join(parts).encode("utf-8", "replace").decode()  # half a character is refused long before
)


class _Judge(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[object] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(tag)
        for name, value in attrs:
            address = (value or "").strip().lower()
            if name not in ATTRIBUTES or (name in ("href", "src") and not address.startswith(SCHEMES)):
                self.wrong.append((tag, name, value))

    def handle_comment(self, data: str) -> None:
        self.wrong.append(("comment", data))


@many_cases(100)
@given(MARKDOWN, st.booleans(), st.sampled_from(["", "p{color:#111} img{width:100%} a{color:#00f}"]))
def test_an_article_is_words_and_no_program(text: str, plain: bool, css: str) -> None:
    rules = ArticleRules(css, link_hosts=("h",), picture_hosts=("h",))
    article = render_article(as_markdown(text) if plain else text, {"m1"}, rules)
    judge = _Judge()
    judge.feed(place_pictures(article.html, lambda name: f'https://cdn.example/{name}"onerror="x'))
    judge.close()
    assert judge.wrong == [], article.html


@many_cases(100)
@given(HOSTILE.filter(lambda text: "\x00" not in text and text.strip() != ""))
def test_a_setting_that_is_refused_is_told_without_its_controls(text: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out):
        run_service("probe", ServiceSettings, lambda _: 0, arguments=["--check-config"],
                    env={"TONGBO_LOG_LEVEL": text, "KAFKA_BOOTSTRAP": text})  # fmt: skip
    assert harmless(out.getvalue())


def test_the_names_of_tokens_are_listed_without_their_controls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--state-dir", str(tmp_path)]
    assert token_cli.main([*place, "new", "--name", "a\x1b[2J\u202eb", "--role", "read", "--brand", "*"]) == 0
    token_cli.main([*place, "revoke", "\x1b]0;x\x07"])
    token_cli.main([*place, "list"])
    said = capsys.readouterr()
    assert "a␛[2J" in said.out
    assert harmless(said.out + said.err)


def test_nothing_is_printed_but_constants_and_what_was_made_safe() -> None:
    """`print` takes constants, tokens of ours and `safe(…)`; consoles are made in one place only."""
    ours = {"token", "ONCE", "line(one)"}
    found = []
    for path in sorted(SERVICES.rglob("*.py")):
        if "simulator" in path.parts or path.name in ("build.py", "console.py"):
            continue  # the simulator and the compiler run of developers; the console itself
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in ("typer.echo", "sys.stdout.write", "sys.stderr.write") or called.endswith("Console"):
                found.append(f"{path.name}: {ast.unparse(node)[:80]}")
            if called == "print" and not all(_harmless_argument(one, ours) for one in node.args):
                found.append(f"{path.name}: {ast.unparse(node)[:80]}")
    assert found == []


def _harmless_argument(node: ast.expr, ours: set[str]) -> bool:
    text = ast.unparse(node)
    if isinstance(node, ast.JoinedStr):  # its parts are a token, a number, a path of ours
        return all(
            ast.unparse(part.value) in {"token", "ONCE", "broker.bootstrap", "broker.pid", "broker.wait()",
                                        "__spec__.name", "' | '.join(PROGRAMS)"}
            for part in node.values if isinstance(part, ast.FormattedValue)
        )  # fmt: skip
    return isinstance(node, ast.Constant) or text in ours or text.startswith(("safe(", "*(safe("))
