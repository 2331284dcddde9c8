"""Tokens at the command line: shown once, found where they are meant to be, and never sent to a stranger."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from services.cli.local.local_token import kept_token, local_token, token_file
from services.cli.terminal.addresses import access_token
from services.publisher.access.token_store import TokensError, TokensFile
from tests.cli.conftest import Run

HERE = "http://127.0.0.1:8800"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return {"TONGBO_HOME": str(home)}


def test_the_local_token_is_said_once_and_readable_by_its_owner_only(home: Path) -> None:
    said = list[str]()
    token = local_token(home, said.append)
    assert token in "".join(said)
    assert stat.S_IMODE(token_file(home).stat().st_mode) == 0o600
    assert token not in (home / "state" / "tokens.json").read_text()
    said.clear()
    assert local_token(home, said.append) == token
    assert said == []


def test_a_local_token_that_no_longer_works_is_replaced_and_the_old_one_ends(home: Path) -> None:
    old, tokens = local_token(home, lambda _: None), TokensFile(home / "state")
    token_file(home).unlink()
    lost = local_token(home, lambda _: None)
    assert tokens.granted(old) is None
    tokens.path.unlink()  # as a demo that begins anew does
    new = local_token(home, lambda _: None)
    assert len({old, lost, new}) == 3
    assert tokens.granted(lost) is None
    assert tokens.granted(new) is not None


def test_a_local_token_cannot_be_kept_where_nothing_can_be_written(home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(TokensError, match="home"):
        local_token(home, lambda _: None)


def test_an_option_beats_the_environment_and_that_beats_the_file(home: Path, env: dict[str, str]) -> None:
    kept = local_token(home, lambda _: None)
    assert access_token(HERE, "tb_option", env | {"TONGBO_TOKEN": "tb_env"}) == "tb_option"
    assert access_token(HERE, None, env | {"TONGBO_TOKEN": "tb_env"}) == "tb_env"
    assert access_token(HERE, None, env) == kept == kept_token(home)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (HERE, True),
        ("http://localhost:8800/", True),
        ("http://[::1]:8800", True),
        ("https://publisher.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", False),
        ("http://10.0.0.7:8800", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_the_local_token_never_leaves_this_machine(home: Path, env: dict[str, str], url: str, sent: bool) -> None:
    kept = local_token(home, lambda _: None)
    assert access_token(url, None, env) == (kept if sent else None)
    assert access_token(url, "tb_mine", env) == "tb_mine", "one that was given for it is sent"


@pytest.mark.parametrize("token", ["令牌", "a b", "x\nHost: evil", "tb_…"])
def test_a_token_that_no_header_can_carry_is_refused_before_it_is_sent(tongbo: Run, token: str) -> None:
    outcome = tongbo("status", "--publisher", HERE, "--token", token)
    assert outcome.code == 2
    assert "--token" in outcome.err
    assert "Host: evil" not in outcome.err


def test_new_prints_the_token_alone_and_list_never_again(tongbo: Run, home: Path) -> None:
    made = tongbo("token", "new", "--name", "小王", "--role", "publish", "--role", "operate", "--brand", "qinghe")
    assert made.code == 0, made.err
    token = made.out.strip()
    assert re.fullmatch(r"tb_[\w-]{43}", token)
    assert "只显示这一次" in made.err
    granted = TokensFile(home / "state").granted(token)
    assert granted is not None
    assert (set(granted.roles), set(granted.brands)) == ({"publish", "operate"}, {"qinghe"})
    for listed in (tongbo("token", "list"), tongbo("token", "list", "--json")):
        assert "小王" in listed.out
        assert token not in listed.out
        assert TokensFile(home / "state").all()[0].sha256 not in listed.out
    assert tongbo("token", "revoke", "小王").code == 0
    assert json.loads(tongbo("token", "list", "--json").out)[0]["revoked_at"]
    assert TokensFile(home / "state").granted(token) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "--name", "x", "--role", "admin", "--brand", "*"),
        ("new", "--name", "x", "--role", "read"),
        ("new", "--role", "read", "--brand", "*"),
        ("new", "--name", "", "--role", "read", "--brand", "*"),
        ("new", "--name", "x", "--role", "read", "--brand", "a b"),
        ("revoke", "nobody"),
    ],
)
def test_a_token_command_that_makes_no_sense_is_refused(tongbo: Run, arguments: tuple[str, ...]) -> None:
    outcome = tongbo("token", *arguments)
    assert outcome.code == 2
    assert outcome.err


@pytest.mark.kafka
@pytest.mark.usefixtures("running")
def test_each_command_says_what_to_do_about_a_missing_a_wrong_and_a_narrow_token(
    tongbo: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TONGBO_TOKEN", "tb_wrong")
    for command in (("status",), ("explain", "pl-1"), ("publish", "deploy/demo/campaign.yaml")):
        outcome = tongbo(*command)
        assert outcome.code == 1
        assert "tongbo token new" in outcome.err
    monkeypatch.delenv("TONGBO_TOKEN")
    assert tongbo("status").code == 0
    reader = tongbo("token", "new", "--name", "r", "--role", "read", "--brand", "acme").out.strip()
    assert tongbo("status", "--token", reader).code == 0
    refused = tongbo("publish", "deploy/demo/campaign.yaml", "--token", reader)
    assert refused.code == 1
    assert "publish" in refused.err
    looked = tongbo("status", "qinghe-cold-brew-2026", "--token", reader)
    assert looked.code == 1
    assert "没有叫" in looked.err
    token_file(home).unlink()
    missing = tongbo("status")
    assert missing.code == 1
    assert "--token" in missing.err
