"""Tokens of a Douyin account and of its app: fetched once, renewed early, shared by all processes.

Does no I/O itself: the client passes in the calls that fetch tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.shared import CredentialStore, Tokens
from services.runtime.logging import get_logger

log = get_logger(__name__)

# A renewed refresh token lives 30 days. Renewal comes before the warning at 7 days, so only a failed one raises it.
RENEW_WITHIN = timedelta(days=8)
REFRESH_WITHIN = timedelta(days=2)
NOT_AGAIN_WITHIN = timedelta(hours=1)
OVERLAP = timedelta(minutes=5)  # the previous client token stays valid this long [doc], so it is replaced this early


class UserTokens:
    """The tokens of one account. One thread of one process at a time fetches new ones, before the old ones end."""

    def __init__(
        self,
        account: Account,
        store: CredentialStore,
        refresh: Callable[[str], Tokens],
        renew: Callable[[str], Tokens],
        now: Callable[[], datetime],
    ) -> None:
        self._account, self._store, self._now = account, store, now
        self._refresh, self._renew = refresh, renew
        self._lock = threading.Lock()
        self._held = store.load(account)
        self._not_before = datetime.min.replace(tzinfo=UTC)

    @property
    def held(self) -> Tokens:
        return self._held

    def look(self) -> Tokens:
        """The tokens as stored now, by any process."""
        self._held = self._store.load(self._account)
        return self._held

    def current(self) -> str:
        """The access token for a call. Tokens that end soon are fetched first; a failure of that stops no call."""
        if self._due() and self._lock.acquire(blocking=False):
            try:
                self._keep_alive()
            except PlatformError as error:
                self._failed(error)
            finally:
                self._lock.release()
        return self._held.access_token

    def fresh(self, stale: str) -> str:
        """A new access token instead of `stale`, which was refused. A failure here means that nothing was sent."""
        try:
            with self._lock:
                if self.look().access_token == stale:  # else another process has refreshed it
                    with self._store.lease(self._account):
                        if self.look().access_token == stale:
                            self._keep(self._refresh(self._held.refresh_token))
                return self._held.access_token
        except PlatformError as error:
            error.sent, error.outcome, error.new_token = "no", "refused", False
            raise

    def _due(self) -> bool:
        held, now = self._held, self._now()
        return bool(held.refresh_token) and now >= self._not_before and (_to_renew(held, now) or _to_refresh(held, now))

    def _keep_alive(self) -> None:
        """The refresh token first: a refresh does not extend it, and without it the user must authorise again."""
        with self._store.lease(self._account):
            now, held = self._now(), self.look()
            if _to_renew(held, now):
                try:
                    self._keep(self._renew(held.refresh_token))
                except PlatformError as error:  # the access token can be refreshed anyway
                    self._failed(error)
            if _to_refresh(self._held, now):
                self._keep(self._refresh(self._held.refresh_token))

    def _keep(self, new: Tokens) -> None:
        """Store new tokens. If another process was faster, its tokens are used."""
        self._held = self._store.replace(self._account, self._held.revision, new)

    def _failed(self, error: PlatformError) -> None:
        self._not_before = self._now() + NOT_AGAIN_WITHIN
        log.warning("token_upkeep_failed", platform="douyin", account=self._account.account, code=error.code)


class AppToken:
    """The client token of an app, shared by all its accounts, because each new one ends an older one (C1)."""

    def __init__(
        self, account: Account, store: CredentialStore, fetch: Callable[[], Tokens], now: Callable[[], datetime]
    ) -> None:
        # The store holds accounts only, so the app is stored as one.
        self._app = msgspec.structs.replace(account, account=f"app:{account.app_id}", access_token="", refresh_token="")
        self._store, self._fetch, self._now = store, fetch, now
        self._lock = threading.Lock()
        self._held = Tokens()

    def value(self, refused: str = "") -> str:
        """A token that is not `refused`."""
        with self._lock:
            if not self._good(refused):
                self._held = self._store.load(self._app)  # another process may have been faster
            if not self._good(refused):
                with self._store.lease(self._app):
                    self._held = self._store.load(self._app)
                    if not self._good(refused):
                        self._held = self._store.replace(self._app, self._held.revision, self._fetch())
            return self._held.access_token

    def _good(self, refused: str) -> bool:
        held = self._held
        if not held.access_token or held.access_token == refused or held.access_expires_at is None:
            return False
        return held.access_expires_at - self._now() > OVERLAP


def _to_renew(held: Tokens, now: datetime) -> bool:
    return _within(held.refresh_expires_at, now, RENEW_WITHIN)


def _to_refresh(held: Tokens, now: datetime) -> bool:
    return _within(held.access_expires_at, now, REFRESH_WITHIN)


def _within(moment: datetime | None, now: datetime, span: timedelta) -> bool:
    return moment is not None and moment - now < span
