from __future__ import annotations

from pathlib import Path

import pytest

from services.adapter.contract.accounts import AccountsError, load_accounts

FILE = """
accounts:
  - platform: toyland
    account: tea
    brand_id: qinghe
    way: open
    app_secret: env:TEA_SECRET
    options: {callback_token: "env:TEA_TOKEN", level: service}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_secrets_come_from_the_environment_also_those_among_the_options(file: Path) -> None:
    account = load_accounts(file, {"TEA_SECRET": "s-1", "TEA_TOKEN": "t-1"}).get("toyland", "tea")
    assert account is not None
    assert account.app_secret == "s-1"
    assert account.options == {"callback_token": "t-1", "level": "service"}
    assert "s-1" not in repr(account)


@pytest.mark.parametrize(("unset", "field"), [("TEA_SECRET", "app_secret"), ("TEA_TOKEN", "options.callback_token")])
def test_an_unset_secret_is_refused_by_the_name_of_its_field(file: Path, unset: str, field: str) -> None:
    env = {"TEA_SECRET": "s-1", "TEA_TOKEN": "t-1"}
    del env[unset]
    with pytest.raises(AccountsError, match=f"{field} points to the unset variable {unset}"):
        load_accounts(file, env)
