"""What the processes of one machine share about accounts, kept in files below the state folder all of them use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.adapter.accounts.budgets import BudgetLedger, Purpose
from services.adapter.accounts.credentials import FOLDER, FileCredentials
from services.adapter.contract.accounts import Account
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.shared import Shared

SharedOf = Callable[[Adapter, Account], Shared]


def shared_on_this_machine(state_dir: Path, purpose: Purpose) -> SharedOf:
    """Tokens and budget of an account, for the processes with the same state folder."""
    credentials, budgets = FileCredentials(state_dir / FOLDER), BudgetLedger(state_dir / "budgets")
    return lambda adapter, account: Shared(credentials, budgets.of(account, adapter.limits.rates, purpose))
