"""The one place where the tokens of accounts live: a file for each account, shared by all processes of a machine.

Fetching tokens is single flight across processes and held off after failures; nothing here is ever logged.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from services.adapter.contract.accounts import Account
from services.adapter.contract.errors import HeldBackError, PlatformError
from services.adapter.contract.shared import Shared, Tokens, Unlimited
from services.runtime.logging import get_logger
from services.runtime.private_file import private_write

FOLDER = "credentials"
LEASE_S = 30.0
FIRST_HOLD_OFF_S, LONGEST_HOLD_OFF_S = 1.0, 300.0
REVOKED_HOLD_OFF_S = 1800.0
QUOTA_HOLD_OFF_S = 300.0
CLAIM_S = 120.0
_POLL_S = 0.02

log = get_logger(__name__)

Trouble = Literal["transient", "quota", "revoked"]


class Guard(Struct, frozen=True, omit_defaults=True):
    """After a failure of fetching tokens: no further try before `until`."""

    trouble: Trouble
    failures: int
    until: datetime
    reason: str


class Notice(Struct, frozen=True, omit_defaults=True):
    """A warning that somebody is about to give (claimed), or has given (given)."""

    claimed_at: datetime
    given: bool = False


class Kept(Struct, frozen=True, omit_defaults=True):
    """The content of an account's file. declared: a hash of the declared tokens that these came from."""

    declared: str
    revision: int = 0
    access_token: str = ""
    refresh_token: str = ""
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    guard: Guard | None = None
    warnings: dict[str, Notice] = {}

    @property
    def tokens(self) -> Tokens:
        return Tokens(
            self.access_token, self.refresh_token, self.access_expires_at, self.refresh_expires_at, self.revision
        )

    def __repr__(self) -> str:
        return f"Kept({self.tokens!r}, guard={self.guard})"


def trouble_of(error: PlatformError) -> Trouble:
    """Why tokens could not be fetched. `revoked` only where the platform says so in a code we know."""
    if error.error_class == "quota":
        return "quota"
    said = error.sent == "yes" and error.recognised and error.outcome == "refused" and not error.retriable
    if said and error.error_class in ("auth", "account_risk", "needs_human"):
        return "revoked"
    return "transient"


def next_guard(last: Guard | None, error: PlatformError, now: datetime) -> Guard:
    """How long nobody tries again: doubling for passing trouble, at least as long as the platform asked for."""
    trouble = trouble_of(error)
    failures = last.failures + 1 if last is not None else 1
    pause = {
        "transient": min(LONGEST_HOLD_OFF_S, FIRST_HOLD_OFF_S * 2.0 ** min(failures - 1, 12)),
        "quota": QUOTA_HOLD_OFF_S if error.retry_after_s is None else FIRST_HOLD_OFF_S,
        "revoked": REVOKED_HOLD_OFF_S,
    }[trouble]
    pause = max(pause, error.retry_after_s or 0.0)
    return Guard(trouble, failures, now + timedelta(seconds=pause), error.message)


def held_off(guard: Guard, now: datetime) -> PlatformError:
    """The error of a call that needs a token which nobody may fetch now."""
    left = max(0.0, (guard.until - now).total_seconds())
    words = {
        "transient": "暂时无法更新令牌，稍后自动再试 / tokens cannot be fetched for the moment",
        "quota": "更新令牌的次数已用完，等待恢复 / no calls left for fetching tokens",
        "revoked": "账号授权已失效，须重新授权 / the authorisation is revoked, grant it anew",
    }[guard.trouble]
    return PlatformError(
        f"{words}（{guard.reason}）",
        error_class={"transient": "platform_down", "quota": "quota", "revoked": "auth"}[guard.trouble],  # type: ignore[arg-type]  # a table of literals
        sent="no",
        retriable=True,
        scope="account",
        retry_after_s=left,
    )


def _not_empty(old: Tokens, new: Tokens) -> Tokens:
    """`new`, except where it would put nothing in the place of a token."""
    return Tokens(
        new.access_token or old.access_token,
        new.refresh_token or old.refresh_token,
        new.access_expires_at if new.access_token else old.access_expires_at,
        new.refresh_expires_at or old.refresh_expires_at,
        old.revision + 1,
    )


class InMemory:
    """Tokens as declared, and what came after, as long as the object lives: for a client that is alone."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], Tokens] = {}
        self._lock, self._leased = threading.Lock(), threading.RLock()

    def load(self, account: Account) -> Tokens:
        with self._lock:
            return self._tokens.setdefault(
                (account.platform, account.account), Tokens(account.access_token, account.refresh_token)
            )

    def replace(self, account: Account, seen_revision: int, new: Tokens) -> Tokens:
        old = self.load(account)
        with self._lock:
            if old.revision == seen_revision:
                self._tokens[account.platform, account.account] = _not_empty(old, new)
            return self._tokens[account.platform, account.account]

    @contextlib.contextmanager
    def lease(self, account: Account, patience_s: float = LEASE_S) -> Iterator[None]:
        with self._leased:
            yield


def alone() -> Shared:
    """For a client that shares its account with nobody."""
    return Shared(InMemory(), Unlimited())


@dataclass(frozen=True, slots=True)
class FileCredentials:
    """The store of a machine: one file an account below `folder`, for its owner only, replaced as a whole."""

    folder: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _unwritten: dict[Path, Kept] = field(default_factory=dict, repr=False, compare=False)

    def load(self, account: Account) -> Tokens:
        """Raises PlatformError(sent="no", retriable) that names the file where it is damaged or cannot be read."""
        return self.kept(account).tokens

    def renew(self, account: Account, new: Tokens) -> Tokens:
        """What a person has just been granted holds, whatever the file says; a damaged file is set aside."""
        path = self._path(account)
        try:
            revision = self.load(account).revision
        except PlatformError:
            if path.exists():
                path.replace(path.with_suffix(".damaged"))
            revision = self.load(account).revision
        return self.replace(account, revision, new)

    def replace(self, account: Account, seen_revision: int, new: Tokens) -> Tokens:
        with self._changing(account) as kept:
            if kept.revision != seen_revision:
                return kept.tokens
            tokens = _not_empty(kept.tokens, new)
            self._write(
                account,
                replace(
                    kept,
                    revision=tokens.revision,
                    access_token=tokens.access_token,
                    refresh_token=tokens.refresh_token,
                    access_expires_at=tokens.access_expires_at,
                    refresh_expires_at=tokens.refresh_expires_at,
                    guard=None,
                ),
            )
            return tokens

    @contextlib.contextmanager
    def lease(self, account: Account, patience_s: float = LEASE_S) -> Iterator[None]:
        """The lock ends with its process; others wait at most `patience_s` for a holder that hangs."""
        self._check_guard(account)
        with self._locked(account, "lease", patience_s):
            self._check_guard(account)  # the process that held it before may have failed
            seen = self.kept(account).revision
            try:
                yield
            except HeldBackError:  # a brake at the last moment says nothing about the tokens
                raise
            except PlatformError as error:
                self._failed(account, seen, error)
                raise

    def guard(self, account: Account) -> Guard | None:
        return self.kept(account).guard

    # --- warnings are given once, by one process ---

    def claim_warning(self, account: Account, name: str) -> bool:
        """Whether it is on the caller to give this warning: nobody has, and nobody is about to."""
        now = self.now()
        with self._changing(account) as kept:
            known = kept.warnings.get(name)
            if known is not None and (known.given or now - known.claimed_at < timedelta(seconds=CLAIM_S)):
                return False
            self._write(account, replace(kept, warnings={**kept.warnings, name: Notice(now)}))
            return True

    def warning_given(self, account: Account, name: str) -> None:
        with self._changing(account) as kept:
            self._write(account, replace(kept, warnings={**kept.warnings, name: Notice(self.now(), given=True)}))

    def warnings_given(self, account: Account) -> frozenset[str]:
        return frozenset(name for name, one in self.kept(account).warnings.items() if one.given)

    def forget_warnings(self, account: Account, names: frozenset[str]) -> None:
        with self._changing(account) as kept:
            rest = {name: one for name, one in kept.warnings.items() if name not in names}
            self._write(account, replace(kept, warnings=rest))

    # --- the file ---

    def kept(self, account: Account) -> Kept:
        """What the file says; what is declared where there is none, or where the declaration is a newer one."""
        declared, path = _fingerprint(account), self._path(account)
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            kept = Kept(declared, access_token=account.access_token, refresh_token=account.refresh_token)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise _unusable(path, "已损坏", "is damaged", type(error).__name__) from error
        except OSError as error:
            raise _unusable(path, "无法读取", "cannot be read", os.strerror(error.errno or 0)) from error
        unwritten = self._unwritten.get(path)
        if unwritten is not None and unwritten.declared == declared and unwritten.revision > kept.revision:
            kept = unwritten
        if kept.declared == declared:
            return kept
        return Kept(declared, kept.revision + 1, account.access_token, account.refresh_token)

    def _failed(self, account: Account, seen: int, error: PlatformError) -> None:
        with self._changing(account) as kept:
            if kept.revision == seen:  # otherwise new tokens came in the meantime
                self._write(account, replace(kept, guard=next_guard(kept.guard, error, self.now())))

    def _check_guard(self, account: Account) -> None:
        guard, now = self.kept(account).guard, self.now()
        if guard is not None and now < guard.until:
            raise held_off(guard, now)

    @contextlib.contextmanager
    def _changing(self, account: Account) -> Iterator[Kept]:
        with self._locked(account, "lock", LEASE_S):
            yield self.kept(account)

    @contextlib.contextmanager
    def _locked(self, account: Account, name: str, patience_s: float) -> Iterator[None]:
        path = self._path(account).with_suffix(f".{name}")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, "无法打开", "cannot be opened", os.strerror(error.errno or 0)) from error
        try:
            _lock(handle, patience_s)
            yield
        finally:
            os.close(handle)

    def _write(self, account: Account, kept: Kept) -> None:
        """A full disk must not cost a refresh token that the platform has just replaced: it is kept in memory."""
        path = self._path(account)
        try:
            private_write(path, msgspec.json.encode(kept))
        except OSError as error:
            log.error("credentials_not_written", file=str(path), error=os.strerror(error.errno or 0))
            self._unwritten[path] = kept
            return
        self._unwritten.pop(path, None)

    def _path(self, account: Account) -> Path:
        return self.folder / f"{account.platform}~{account.account.replace(':', '~')}.json"


def _lock(handle: int, patience_s: float) -> None:
    """Wait for the lock, but not for ever: its holder may hang."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise PlatformError(
                    "另一个进程正在更新令牌，等待超时 / another process is fetching the tokens and takes too long",
                    error_class="platform_down",
                    sent="no",
                    retriable=True,
                    scope="account",
                ) from None
            time.sleep(_POLL_S)


def _unusable(path: Path, zh: str, en: str, why: str) -> PlatformError:
    """Nothing was sent, and once a person has mended the file the same call may go."""
    return PlatformError(
        f"凭据文件{zh}：{path}（{why}）。请恢复或移走该文件，或用 tongbo connect 重新授权"
        f" / the credentials file {en}: {path} ({why}); restore or remove it, or run tongbo connect",
        error_class="platform_down",
        sent="no",
        retriable=True,
        scope="account",
    )


def _fingerprint(account: Account) -> str:
    declared = "\x1f".join((account.app_id, account.app_secret, account.access_token, account.refresh_token))
    return hashlib.sha256(declared.encode()).hexdigest()
