from __future__ import annotations

from pathlib import Path

import pytest

import services.adapter_weibo
from services.adapter_weibo.errors import ERRORS, MEANINGS

# Every code that the fact sheet of the platform names.
KNOWN = {
    *range(10001, 10015), *range(10016, 10019), 10020, 10021, 10022, 10023, 10024,
    20003, *range(20005, 20009), *range(20012, 20023), 20031, 20032, 20049,
    20101, 20102, 20104, 20109, 20111, 20201, 20202, 20203, 20204, 20507,
    *range(21301, 21333), 21602,
}  # fmt: skip


def test_every_known_code_stands_in_the_table_with_meaning_and_source() -> None:
    assert {int(code) for code in MEANINGS} == KNOWN
    assert all(meaning.meaning and meaning.source for meaning in MEANINGS.values())


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (20032, "published"),
        (20017, "already_posted"),
        (20019, "already_posted"),
        (20111, "already_posted"),
        (10001, "unknown"),
        (10011, "unknown"),
        (10023, "refused"),
        (20012, "refused"),
        (21327, "refused"),
    ],
)
def test_codes_say_whether_a_post_may_exist(code: int, outcome: str) -> None:
    assert ERRORS.error(code, "").outcome == outcome


def test_a_published_or_repeated_post_is_never_marked_for_repetition() -> None:
    assert not any(m.retriable for m in MEANINGS.values() if m.outcome in ("published", "already_posted"))


def test_limits_are_retried_later_and_tokens_belong_to_the_account() -> None:
    for code in (10022, 10023, 10024, 20016):
        error = ERRORS.error(code, "")
        assert (error.error_class, error.retriable) == ("quota", True)
        assert error.retry_after_s
    assert ERRORS.error("21332", "").scope == "account"


def test_an_unknown_code_is_loud_and_leaves_the_outcome_open() -> None:
    error = ERRORS.error(29999, "new")
    assert (error.recognised, error.outcome, error.code) == (False, "unknown", "29999")


def test_the_readme_lists_every_code_with_its_meaning() -> None:
    readme = (Path(services.adapter_weibo.__file__).parent / "README.md").read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {code} | {meaning.meaning} | `{meaning.error_class}` | {meaning.scope} |" in readme
