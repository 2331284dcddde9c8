"""`tongbo connect`: the right user, the right redirect, tokens that nobody else sees."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.adapter.accounts.credentials import FOLDER, FileCredentials
from services.adapter.accounts.on_this_machine import shared_on_this_machine
from services.adapter.contract.accounts import Account, load_accounts
from services.adapter.contract.registry import adapter
from services.cli.oauth_redirect import ConsentRefusedError, RedirectError, code_in
from services.simulator.http.server import SimulatorServer

ROOT = Path(__file__).parents[3]
OTHER_USER = "1900000009"
FILE = """
accounts:
  - {platform: weibo, account: tea, brand_id: qinghe, way: open, app_id: "31", app_secret: weibo-secret, open_id: "19"}
  - {platform: douyin, account: tea, brand_id: qinghe, way: server, app_id: aw1, app_secret: douyin-secret,
     open_id: open-1}
  - {platform: wechat, account: tea, brand_id: qinghe, way: publish, app_id: wx1, app_secret: s}
"""
SECRETS = ("weibo-secret", "douyin-secret")
get, post = partial(httpx.get, timeout=60), partial(httpx.post, timeout=60)


@dataclass
class World:
    """A simulated platform, and the command as a process that waits for a user."""

    folder: Path
    simulator: SimulatorServer
    out: list[str] = field(default_factory=list)

    def act(self, platform: str, **details: str) -> None:
        said = {"platform": platform, "account": "tea", "act": "next_consent", "with": details}
        assert post(f"{self.simulator.url}/_sim/acts", json=said).status_code == 200

    def start(self, platform: str, *more: str, account: str = "tea") -> subprocess.Popen[str]:
        env = {**os.environ, "TONGBO_STATE_DIR": str(self.folder / "state"), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        command = [
            sys.executable, "-m", "services.cli.main", "connect", platform, "--account", account, "--no-browser",
            "--accounts", str(self.folder / "accounts.yaml"), "--simulator", self.simulator.url, "--port", "0", *more,
        ]  # fmt: skip
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=env,
        )

    def address(self, process: subprocess.Popen[str]) -> str:
        """Where the user is to agree."""
        assert process.stdout is not None
        for line in process.stdout:
            self.out.append(line)
            if line.startswith("http"):
                return line.strip()
        raise AssertionError("".join(self.out))

    def end(self, process: subprocess.Popen[str], said: str | None = None) -> tuple[int, str]:
        out, _ = process.communicate(said, timeout=90)
        self.out.append(out)
        return process.returncode, "".join(self.out)

    def kept(self, platform: str) -> tuple[Account, FileCredentials]:
        account = load_accounts(self.folder / "accounts.yaml", {}, self.simulator.url).get(platform, "tea")
        assert account is not None
        return account, FileCredentials(self.folder / "state" / FOLDER)

    def agree(self, platform: str) -> tuple[int, str]:
        process = self.start(platform)
        assert get(self.address(process), follow_redirects=True).status_code == 200
        return self.end(process)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "accounts.yaml").write_text(FILE)
    with SimulatorServer(load_accounts(tmp_path / "accounts.yaml", {})) as simulator:
        yield World(tmp_path, simulator)


@pytest.mark.parametrize("platform", ["weibo", "douyin"])
def test_a_connected_account_works_and_its_tokens_are_seen_by_nobody(world: World, platform: str) -> None:
    code, out = world.agree(platform)
    assert code == 0, out
    assert "已授权" in out
    account, credentials = world.kept(platform)
    tokens = credentials.load(account)
    found = adapter(platform)
    assert found.care is not None
    shared = shared_on_this_machine(world.folder / "state", "publishing")(found, account)
    assert found.care.check(found.client(account, 5.0, shared), world.simulator.clock.now()).problem == ""
    secrets = [*SECRETS, tokens.access_token, *([tokens.refresh_token] if tokens.refresh_token else [])]
    assert all(len(secret) > 8 for secret in secrets)
    assert not any(secret in out for secret in secrets)
    files = [path for path in (world.folder / "state" / FOLDER).rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    asked = get(f"{world.simulator.url}/_sim/calls", params={"platform": platform}).text
    assert tokens.access_token not in asked


def test_a_redirect_with_another_state_is_refused_and_ours_is_still_waited_for(world: World) -> None:
    process = world.start("weibo")
    address = world.address(process)
    back = parse_qs(urlsplit(address).query)["redirect_uri"][0]
    assert get(back, params={"code": "forged", "state": "not-ours"}).status_code == 403
    assert get(back, params={"code": "forged"}).status_code == 403
    assert get(address, follow_redirects=True).status_code == 200
    code, out = world.end(process)
    assert code == 0, out


@pytest.mark.parametrize("platform", ["weibo", "douyin"])
def test_a_user_who_does_not_agree_ends_the_command_and_keeps_nothing(world: World, platform: str) -> None:
    world.act(platform, answer="deny")
    code, out = world.agree(platform)
    assert code == 1
    assert "没有同意" in out
    account, credentials = world.kept(platform)
    assert credentials.load(account).access_token == ""


@pytest.mark.parametrize("platform", ["weibo", "douyin"])
def test_an_expired_code_is_said_and_keeps_nothing(world: World, platform: str) -> None:
    process = world.start(platform, "--paste", "--redirect-uri", "https://brand.example/oauth")
    sent = get(world.address(process)).headers["location"]
    world.simulator.clock.advance(7_200)
    code, out = world.end(process, f"{sent}\n")
    assert code == 1, out
    assert re.search("授权码.*过期", out), out
    account, credentials = world.kept(platform)
    assert credentials.load(account).access_token == ""


def test_a_pasted_address_counts_like_a_redirect_and_a_forged_one_does_not(world: World) -> None:
    process = world.start("douyin", "--paste", "--redirect-uri", "https://brand.example/oauth")
    sent = get(world.address(process)).headers["location"]
    code, out = world.end(process, f"{sent}\n")
    assert code == 0, out
    process = world.start("douyin", "--paste", "--redirect-uri", "https://brand.example/oauth")
    world.address(process)
    code, out = world.end(process, f"{sent}\n")  # the address of the other authorisation
    assert code == 1
    assert "state" in out


def test_a_permission_that_the_user_left_out_is_named(world: World) -> None:
    world.act("douyin", withhold="item.comment")
    code, out = world.agree("douyin")
    assert code == 1
    assert "item.comment" in out
    account, credentials = world.kept("douyin")
    assert credentials.load(account).access_token, "what was granted is still of use"


def test_another_user_s_grant_is_not_kept(world: World) -> None:
    world.simulator.world("weibo").accounts["tea"].open_id = OTHER_USER
    code, out = world.agree("weibo")
    assert code == 1
    assert OTHER_USER in out
    account, credentials = world.kept("weibo")
    assert credentials.load(account).access_token == ""


def test_nobody_comes_back_and_the_command_says_so(world: World) -> None:
    process = world.start("weibo", "--wait-s", "1")
    world.address(process)
    began = time.monotonic()
    code, out = world.end(process)
    assert code == 1
    assert "没有等到跳转" in out
    assert time.monotonic() - began < 60, "by itself it would wait for minutes"


def test_a_platform_without_oauth_says_that_it_needs_none(world: World) -> None:
    code, out = world.end(world.start("wechat"))
    assert code == 0
    assert "不需要授权" in out


def test_what_there_is_not_is_said_with_what_there_is(world: World) -> None:
    assert world.end(world.start("no_such"))[0] == 2
    code, out = world.end(world.start("weibo", account="milk"))
    assert code == 2
    assert "tea" in out


def test_state_is_compared_whole() -> None:
    assert code_in("http://x/?code=c&state=s", "s") == "c"
    for address in ("http://x/?code=c", "http://x/?code=c&state=", "http://x/?code=c&state=ss", "nonsense", "http://["):
        with pytest.raises(RedirectError):
            code_in(address, "s")
    with pytest.raises(ConsentRefusedError, match="denied"):
        code_in("http://x/?error=denied&state=s", "s")
