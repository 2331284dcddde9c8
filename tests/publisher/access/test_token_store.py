"""Tokens are kept as hashes only, by one writer at a time, and a broken file lets nobody in."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.publisher.access.roles import ROLES, Granted, Role, new_token, well_formed
from services.publisher.access.token_cli import main
from services.publisher.access.token_store import TokensError, TokensFile

NOW = datetime(2026, 11, 11, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> TokensFile:
    return TokensFile(tmp_path / "state")


def test_the_token_itself_is_stored_nowhere_and_others_cannot_read_the_file(tokens: TokensFile) -> None:
    token = tokens.new("小王", ("publish",), ("qinghe",), NOW)
    for file in tokens.path.parent.iterdir():
        assert token not in file.read_text()
        assert token.removeprefix("tb_") not in file.read_text()
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert tokens.granted(token) == Granted("小王", frozenset({"publish"}), frozenset({"qinghe"}))


def test_tokens_are_long_random_and_fit_a_header() -> None:
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(len(one) >= 46 and well_formed(one) for one in made)
    assert not any(well_formed(one) for one in ("", "a b", "令牌", "a\n", "a\r\nX: y", "x" * 600))


@pytest.mark.parametrize("near", ["", "tb_", "*", "小王"])
def test_a_token_that_was_never_made_grants_nothing(tokens: TokensFile, near: str) -> None:
    token = tokens.new("小王", ("read",), ("*",), NOW)
    assert tokens.granted(near) is None
    assert tokens.granted(token[:-1]) is None
    assert tokens.granted(token + "x") is None
    assert tokens.granted(tokens.all()[0].sha256) is None, "the hash is no token"


def test_another_process_sees_a_new_and_a_revoked_token_at_once(tokens: TokensFile) -> None:
    other = TokensFile(tokens.path.parent)
    assert other.all() == ()
    token = tokens.new("小王", ("read",), ("*",), NOW)
    assert other.granted(token) is not None
    tokens.revoke("小王", NOW + timedelta(days=1))
    assert other.granted(token) is None
    assert [one.revoked_at for one in other.all()] == [NOW + timedelta(days=1)], "who had access when stays known"


def test_many_writers_at_once_lose_no_token(tokens: TokensFile) -> None:
    def make(number: int) -> str:
        return TokensFile(tokens.path.parent).new(f"n{number}", ("read",), ("*",), NOW)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(24)))
    assert all(tokens.granted(one) for one in made)
    assert [one.name for one in tokens.path.parent.iterdir() if one.name.startswith(".")] == []


def test_the_first_token_is_made_once_even_if_it_was_revoked(tokens: TokensFile) -> None:
    token = tokens.first("first", NOW)
    assert token is not None
    granted = tokens.granted(token)
    assert granted is not None
    assert granted.roles == frozenset(ROLES)
    assert granted.sees_all
    assert tokens.first("first", NOW) is None
    tokens.revoke("first", NOW)
    assert tokens.first("first", NOW) is None, "a restart must not hand out access anew"


def test_a_renewed_token_ends_the_one_before(tokens: TokensFile) -> None:
    old, new = tokens.renewed("local", NOW), tokens.renewed("local", NOW)
    assert tokens.granted(old) is None
    assert tokens.granted(new) is not None


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"tokens": [{"name": "x"}]}', b'{"tokens": [], "more": 1}', b"\xff"]
)
def test_a_broken_file_is_an_error_with_a_way_out_never_an_empty_list(tokens: TokensFile, broken: bytes) -> None:
    token = tokens.new("小王", ("read",), ("*",), NOW)
    tokens.path.write_bytes(broken)
    for ask in (tokens.all, lambda: tokens.granted(token), lambda: tokens.first("first", NOW)):
        with pytest.raises(TokensError, match="tongbo token new"):
            ask()


@pytest.mark.parametrize(
    ("name", "roles", "brands"),
    [
        ("", ("read",), ("*",)),
        ("x" * 65, ("read",), ("*",)),
        ("x", (), ("*",)),
        ("x", ("admin",), ("*",)),
        ("x", ("read",), ()),
        ("x", ("read",), ("",)),
        ("x", ("read",), ("a b",)),
        ("x", ("read",), ("**",)),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    tokens: TokensFile, name: str, roles: tuple[str, ...], brands: tuple[str, ...]
) -> None:
    with pytest.raises(TokensError, match="publish"):
        tokens.new(name, roles, brands, NOW)
    assert tokens.all() == ()


def test_a_name_in_use_is_refused_and_free_again_once_revoked(tokens: TokensFile) -> None:
    tokens.new("值班", ("operate",), ("*",), NOW)
    with pytest.raises(TokensError, match="值班"):
        tokens.new("值班", ("read",), ("*",), NOW)
    tokens.revoke("值班", NOW)
    tokens.new("值班", ("read",), ("*",), NOW)
    with pytest.raises(TokensError, match="值班"):
        tokens.revoke("小王", NOW)


@pytest.mark.parametrize(
    ("held", "wanted", "may"),
    [
        ({"publish"}, ("read",), True),
        ({"operate"}, ("read",), True),
        ({"approve"}, ("read",), True),
        ({"read"}, ("publish",), False),
        ({"approve"}, ("publish",), False),
        ({"publish"}, ("approve",), False),
        ({"operate"}, ("operate", "publish"), True),
        ({"read"}, ("operate", "publish"), False),
        (set(), ("read",), False),
    ],
)
def test_what_a_role_includes(held: set[Role], wanted: tuple[Role, ...], may: bool) -> None:
    assert Granted("x", frozenset(held), frozenset({"*"})).may(wanted) is may


def test_the_command_makes_lists_and_revokes_without_showing_a_token_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"TONGBO_STATE_DIR": str(tmp_path)}
    assert main(["new", "--name", "ci", "--role", "publish", "--role", "read", "--brand", "qinghe"], env) == 0
    token = capsys.readouterr().out.strip()
    assert TokensFile(tmp_path).granted(token) is not None
    assert main(["new", "--name", "ci", "--role", "read", "--brand", "*"], env) == 1
    assert main(["list"], env) == 0
    shown = capsys.readouterr()
    assert "ci\tpublish,read\tqinghe" in shown.out
    assert token not in shown.out + shown.err
    assert TokensFile(tmp_path).all()[0].sha256 not in shown.out
    assert main(["revoke", "ci"], env) == 0
    assert TokensFile(tmp_path).granted(token) is None


def test_the_command_runs_as_a_module_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.publisher.access.token_cli", "--state-dir", str(tmp_path)]
    made = subprocess.run(
        [*command, "new", "--name", "ci", "--role", "read", "--brand", "*"], capture_output=True, text=True, check=True
    )
    assert TokensFile(tmp_path).granted(made.stdout.strip()) is not None
