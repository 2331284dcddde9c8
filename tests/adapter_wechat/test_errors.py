from __future__ import annotations

from pathlib import Path

import pytest

from services.adapter_wechat.errors import ERRORS, SUBMIT, TOKEN_ENDPOINT

TABLE = """
-1 40001 40002 40004 40005 40006 40007 40008 40009 40010 40011 40012 40013 40014 40033 40113 40114 40118 40121 40125
40137 40152 40164 40215 40243 41001 41002 41004 41005 41039 41040 42001 43001 43002 43003 44001 44002 44003 44004 45001
45002 45003 45004 45005 45006 45007 45008 45009 45011 45028 45062 45065 45066 45067 45110 45166 47001 48001 48003 48004
48006 48008 48021 48022 50002 50004 50007 53402 53404 53405 53406 53503 53504 53505 53600 61450 61500 61501 61503 76001
76002 76003 76004 76021 76022 88000 88001 88002 88003 88004 88005 88007 88008 88010 89503 89504 89505 89506 89507
"""


@pytest.mark.parametrize("code", TABLE.split())
def test_every_documented_code_is_known_in_chinese_with_its_source(code: str) -> None:
    meaning = ERRORS.meanings[code]
    assert meaning.meaning
    assert not meaning.meaning.isascii()
    assert meaning.source in {"doc", "client", "memory"}
    assert ERRORS.error(code, "x").recognised


def test_an_unknown_code_is_loud_and_never_a_guess() -> None:
    error = ERRORS.error(99999, "something new")
    assert not error.recognised
    assert (error.error_class, error.outcome, error.retriable) == ("needs_human", "unknown", False)
    assert "99999" in error.message


def test_only_token_codes_ask_for_a_new_token_and_not_for_ever() -> None:
    assert {code for code, one in ERRORS.meanings.items() if one.new_token} == {"40001", "40014", "42001"}
    assert not any(one.new_token for one in TOKEN_ENDPOINT.values())


@pytest.mark.parametrize("code", ["-1", "61450"])
def test_a_busy_platform_may_have_posted(code: str) -> None:
    assert ERRORS.error(code, "busy").outcome == "unknown"


def test_a_consumed_draft_means_posted_only_after_an_unanswered_submit() -> None:
    assert ERRORS.error("40007", "x", override=SUBMIT["40007"]).outcome == "already_posted"
    assert ERRORS.error("40007", "x").outcome == "refused"


def test_a_used_clientmsgid_is_our_own_post() -> None:
    assert ERRORS.error("45065", "x").outcome == "published"


@pytest.mark.parametrize(("code", "least"), [("45009", 600), ("45011", 60), ("61503", 600)])
def test_waits_are_long_enough_for_the_platform(code: str, least: float) -> None:
    error = ERRORS.error(code, "x")
    assert error.retriable
    assert (error.retry_after_s or 0) >= least


def test_the_readme_shows_every_code_as_the_table_has_it() -> None:
    readme = (Path(__file__).parents[2] / "services/adapter_wechat/README.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in readme.splitlines() if line.startswith("| `")}
    for code, one in ERRORS.meanings.items():
        assert f"| {one.meaning} | {one.error_class} | {one.outcome} |" in rows[code]
