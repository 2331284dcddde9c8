"""The error table knows every code of the fact sheet, and says of each whether a post may exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapter_douyin import errors
from services.adapter_douyin.errors import ERRORS

FACT_SHEET = set(
    """
28001003 28001005 28001006 28001007 28001008 28001012 28001014 28001015 28001016 28001018 28001019 28001020 28001021
28001045 28001046 28001047 28001052 28001056 28003017 28003018 29002002
2100004 2100005 2100007 2100009 2190001 2190002 2190003 2190004 2190005 2190006 2190007 2190008 2190015 2190016
2111001 2111002 2111003 2111004 2111005 2111006 2111007 2112001 2113001 2113002 2114005 2114007
10002 10003 10004 10005 10006 10007 10008 10010 10013 10014 10020
""".split()  # noqa: SIM905 — one line a family reads better than 60 literals
)


def test_every_code_of_the_fact_sheet_is_known_and_no_other() -> None:
    assert set(ERRORS.meanings) == FACT_SHEET
    for meaning in ERRORS.meanings.values():
        assert meaning.meaning
        assert meaning.source


def test_only_a_busy_platform_may_have_made_the_post() -> None:
    assert {code for code, meaning in ERRORS.meanings.items() if meaning.outcome != "refused"} == {
        "28001005", "28001006", "2100004",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("28001005", "2100004"), ("28001007", "2100005"), ("28001003", "2190002"), ("28001008", "2190008"),
        ("28001012", "2190003"), ("28001018", "2190004"), ("28001015", "2190015"), ("28001016", "2190016"),
        ("28001045", "2100009"), ("28003017", "2190001"),
    ],
)  # fmt: skip
def test_both_families_mean_the_same(new: str, old: str) -> None:
    assert ERRORS.meanings[new] == ERRORS.meanings[old]


def test_a_fresh_token_is_fetched_for_these_codes_only() -> None:
    wanted = {code for code, meaning in ERRORS.meanings.items() if meaning.new_token}
    assert wanted == {"28001003", "28001008", "2190002", "2190008", "10008"}


def test_an_unknown_code_is_loud_and_leaves_the_outcome_open() -> None:
    error = ERRORS.error(28009999, "新错误")
    assert (error.recognised, error.outcome, error.error_class) == (False, "unknown", "needs_human")


def test_every_code_stands_in_the_readme() -> None:
    readme = (Path(errors.__file__).parent / "README.md").read_text()
    assert [code for code in ERRORS.meanings if code not in readme] == []
