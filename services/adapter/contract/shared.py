"""What all processes that use one account have to share: its tokens and its call budgets. Interfaces only; pure.

How they are kept stands in `credentials.py` and `budgets.py`; clients are handed a `Shared` and never choose.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import PlatformError


@dataclass(frozen=True, slots=True)
class Tokens:
    """An account's tokens. Times None = not known. revision: grows with every change, 0 = as declared, never changed.

    Never shown: its text has the times only.
    """

    access_token: str = ""
    refresh_token: str = ""
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    revision: int = 0

    def __repr__(self) -> str:
        until = f"access until {self.access_expires_at}, refresh until {self.refresh_expires_at}"
        return f"Tokens({until}, revision {self.revision})"


class CredentialStore(Protocol):
    """Where the tokens of accounts live, for all processes that use them. Safe from any thread."""

    def load(self, account: Account) -> Tokens:
        """The newest tokens; the declared ones where nothing newer is known."""
        ...

    def replace(self, account: Account, seen_revision: int, new: Tokens) -> Tokens:
        """Put `new` in the place of what was seen; the tokens that count now.

        Where somebody else was faster, theirs count and `new` is forgotten. An empty value never replaces a token.
        """
        ...

    def lease(self, account: Account, patience_s: float = ...) -> AbstractContextManager[None]:
        """Held while tokens are fetched: one process at a time, for `patience_s` at most while others wait.

        Raises PlatformError(sent="no") while the last failures forbid another try. A PlatformError that leaves the
        block counts as a failure of fetching and decides when the next try is allowed; a change of the tokens ends it.
        """
        ...


class Budget(Protocol):
    """The calls that one account may still make, of one purpose (publishing or feedback)."""

    def reserve(self, endpoint: str, most_wait_s: float) -> float:
        """Take one call of `endpoint` (a path, or a name from the limits); the seconds to wait before making it.

        Raises PlatformError(quota, sent="no", retry_after_s) where it would be more than `most_wait_s`.
        """
        ...

    def learn(self, endpoint: str, error: PlatformError) -> None:
        """The platform's own refusal: nothing goes to this endpoint before the platform takes calls again."""
        ...

    def told(self, endpoint: str, remaining: int, resets_at: datetime) -> None:
        """What the platform itself says is left until then."""
        ...


class Unlimited:
    """No budget at all: for a client that is alone with its account, as in tests."""

    def reserve(self, endpoint: str, most_wait_s: float) -> float:
        return 0.0

    def learn(self, endpoint: str, error: PlatformError) -> None:
        return

    def told(self, endpoint: str, remaining: int, resets_at: datetime) -> None:
        return


@dataclass(frozen=True, slots=True)
class Shared:
    credentials: CredentialStore
    budget: Budget
