"""What a platform says is left of its calls has to hold back those very calls, whatever it calls them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.adapter.accounts.budgets import BudgetLedger, Purpose, applies, plain
from services.adapter.accounts.credentials import FileCredentials
from services.adapter.accounts.monitor import AccountMonitor
from services.adapter.contract.accounts import Accounts, load_accounts
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.registry import adapter, platforms
from services.adapter.contract.shared import Shared, Unlimited
from services.simulator.discovery import discovered
from services.simulator.http.server import SimulatorServer

DECLARED = load_accounts(Path(__file__).parents[3] / "deploy/demo/accounts.yaml", {})
LIMITED = {"hits_per_hour": "900", "posts_per_hour": "30", "comments_per_hour": "60"}
PURPOSES: tuple[Purpose, ...] = ("publishing", "feedback")


@pytest.mark.parametrize("platform", [name for name in platforms() if adapter(name).care is not None])
def test_every_quota_that_a_platform_tells_holds_back_the_calls_that_it_is_about(platform: str, tmp_path: Path) -> None:
    found, told = adapter(platform), list[tuple[str, int]]()
    declared = [replace(one, options=one.options | LIMITED) for one in DECLARED.of(platform)]
    with SimulatorServer(Accounts(tuple(declared)), speed=1.0) as sim:
        account = replace(declared[0], base_url=f"{sim.url}/{platform}")
        credentials, ledger = FileCredentials(tmp_path / "credentials"), BudgetLedger(tmp_path / "budgets")
        client = found.client(account, 60.0, Shared(credentials, ledger.of(account, (), "publishing")))

        class Telling(Unlimited):
            """The budget as the watch sees it; notes what it is told."""

            def told(self, endpoint: str, remaining: int, resets_at: datetime) -> None:
                told.append((endpoint, remaining))

        watch = AccountMonitor(
            found, (account,), credentials, lambda _: client, lambda _: Telling(), lambda: (), lambda: datetime.now(UTC)
        )
        watch.look(account)
        paths = [endpoint.path for one in discovered()[0] if one.platform == platform for endpoint in one.endpoints()]
    assert told or platform == "douyin", "nothing was told: the hazard did not happen"  # Douyin tells no figures
    for number, (endpoint, _) in enumerate(told):
        own = BudgetLedger(tmp_path / str(number))
        own.of(account, (), "publishing").told(endpoint, 0, datetime.now(UTC) + timedelta(hours=1))
        meant = [path for path in paths if applies(endpoint, plain(path))]
        assert meant, f"no call of ours is held back by what is told about {endpoint!r}"
        for path in meant:
            for purpose in PURPOSES:
                with pytest.raises(PlatformError) as refused:
                    own.of(account, (), purpose).reserve(path, 5)
                assert (refused.value.error_class, refused.value.sent) == ("quota", "no")
        own.close()
