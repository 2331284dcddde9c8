"""What the documents tell people to do can be done: links lead somewhere, examples load, commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from schemas.contract.topic_files import topic_templates
from schemas.events.placement import ErrorClass, State
from schemas.words import all_words
from services.adapter.contract.accounts import load_accounts

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROMISES = (
    "At most one live post per placement; an unknown outcome is reconciled, never blindly retried.",
    "equal, number for number, to a recount of the feedback topic, also after kill -9, rebalance and replay.",
    "No answer is never shown as success, and a missing number is never shown as 0.",
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _without_samples(text: str) -> str:
    """Code spans that only show what a link looks like are taken out; code as the words of a link stays."""
    return re.sub(r"`([^`\n]*)`", lambda code: "" if "](" in code[1] else code[0], text)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_link_leads_to_a_file_or_a_heading(page: Path) -> None:
    text = page.read_text()
    headings = {
        re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_samples(text)):
        if target.startswith("#"):
            assert target[1:] in headings
        elif "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", READMES, ids=name_of)
def test_the_accounts_example_loads(page: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)
    file = tmp_path / "accounts.yaml"
    file.write_text(example)
    secrets = {name: f"secret of {name}" for name in re.findall(r"env:(\w+)", example)}
    account = load_accounts(file, secrets).get("weibo", "my-brand")
    assert account is not None
    assert account.app_secret == "secret of WEIBO_APP_SECRET"


@pytest.mark.parametrize("page", [*READMES, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_a_command_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?= |`|$)", "\n".join(re.findall(r"`[^`]+`", text)))) <= targets
    commands = {path.stem for path in (ROOT / "services/cli/commands").rglob("*.py")}
    assert set(re.findall(r"`tongbo ([a-z]+)", text)) <= commands


@pytest.mark.parametrize("page", READMES, ids=name_of)
@pytest.mark.parametrize("promise", PROMISES)
def test_the_promises_stand_there_word_for_word(page: Path, promise: str) -> None:
    assert promise in page.read_text()


def test_a_test_that_is_named_beside_a_promise_exists() -> None:
    """`file::test`, or `…::test` of the file named last; platforms' files are named without `adapter_`."""
    tests, file, missing = ROOT / "tests", "", []
    for named in re.findall(r"`([\w/…]*(?:\.py)?(?:::\w+)?)`", (ROOT / "docs/reliability.md").read_text()):
        path, _, name = named.partition("::")
        if path.endswith(".py"):
            file = path if (tests / path).exists() else f"adapter_{path}"
        elif path != "…":
            continue
        if not (tests / file).is_file() or (name and f"def {name}(" not in (tests / file).read_text()):
            missing.append(named)
    assert missing == []


def test_every_decision_record_is_listed_once() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_the_vocabulary_has_every_state_error_class_and_topic() -> None:
    words = set(re.findall(r"`([^`]+)`", (ROOT / "docs/vocabulary.md").read_text()))
    topics = {spec.name for spec in topic_templates()}
    assert words >= {*get_args(State), *get_args(ErrorClass)}
    states, classes = all_words()
    names = {name: said.name for name, said in states.items()} | {name: said.name for name, said in classes.items()}
    for name, words_of_it in names.items():
        if name != "ACCEPTED_BY_PUBLISHER":  # no state of the ledger
            assert f"| `{name}` | {words_of_it.zh} |" in (ROOT / "docs/vocabulary.md").read_text()
    assert {name.replace("{service}", "<service>") for name in topics} <= words


@pytest.mark.parametrize("readme", sorted((ROOT / "services").glob("*/README.md")), ids=name_of)
def test_a_services_readme_names_the_rooms_that_there_are(readme: Path) -> None:
    text = readme.read_text()
    rooms = {path.parent.name for path in readme.parent.glob("*/__init__.py")} - {"c", "simulator"}
    assert {room for room in rooms if f"`{room}/" not in text and f"{room}/" not in text} == set()
    named = set(re.findall(r"^\| `(\w+)/", text, re.M))
    assert {room for room in named if not (readme.parent / room).is_dir()} == set()
