"""The tokens that were made, in `<state_dir>/tokens.json`: hashes only, replaced as a whole, read anew when it changes.

Nobody can get a token back out of it; a person who may write the file may grant themselves everything.
"""

from __future__ import annotations

import fcntl
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

from schemas.events.envelope import Instant, Sha256
from services.publisher.access.roles import EVERY_BRAND, ROLES, Granted, Role, hash_of, new_token
from services.runtime.private_file import private_write

FILE_NAME = "tokens.json"
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]
Brand = Annotated[str, Meta(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9._:@-]{0,127})$")]


class StoredToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One token as it is kept. A revoked one stays, so that the list tells who had access when."""

    name: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    brands: Annotated[tuple[Brand, ...], Meta(min_length=1)]
    sha256: Sha256
    created_at: Instant
    revoked_at: Instant | None = None


class _Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tokens: tuple[StoredToken, ...] = ()


class TokensError(Exception):
    """Raised when tokens cannot be read, made or revoked; the text (Chinese / English) says why and the way out."""


class TokensFile:
    """Thread-safe, and safe beside other processes on the same file."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE_NAME
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[StoredToken, ...] = ()

    def all(self) -> tuple[StoredToken, ...]:
        """Every token ever made, oldest first; none where there is no file. Raises TokensError."""
        with self._lock:
            try:
                status = self.path.stat()
                now = (status.st_mtime_ns, status.st_size, status.st_ino)
                if now != self._seen:
                    self._tokens = _read(self.path)
                    self._seen = now
            except FileNotFoundError:
                self._tokens, self._seen = (), None
            except OSError as error:
                self._seen = None
                raise _unreadable(self.path, error.strerror or type(error).__name__) from None
            return self._tokens

    def granted(self, token: str) -> Granted | None:
        """What `token` allows; None for one that is unknown or revoked. Raises TokensError."""
        presented, found = hash_of(token), None
        for one in self.all():  # all of them, each in constant time: how long it takes tells nothing
            if hmac.compare_digest(one.sha256, presented) and one.revoked_at is None:
                found = one
        return None if found is None else Granted(found.name, frozenset(found.roles), frozenset(found.brands))

    def new(self, name: str, roles: tuple[str, ...], brands: tuple[str, ...], now: datetime) -> str:
        """Make a token and return it, for the only time; raises TokensError."""
        with self._alone() as tokens:
            if any(one.name == name and one.revoked_at is None for one in tokens):
                raise TokensError(
                    f"已有名为“{name}”的令牌，请换一个名字或先吊销它 / the name is in use: take another or revoke it"
                )
            return self._add(tokens, name, roles, brands, now)

    def first(self, name: str, now: datetime) -> str | None:
        """A token for everything, where none was ever made; else None. Raises TokensError."""
        if self.all():
            return None  # nothing to write then: the file may well be mounted read-only
        with self._alone() as tokens:
            return None if tokens else self._add(tokens, name, ROLES, (EVERY_BRAND,), now)

    def renewed(self, name: str, now: datetime) -> str:
        """A token for everything under this name; an older one of the name stops working. Raises TokensError."""
        with self._alone() as tokens:
            return self._add(_revoked(tokens, name, now), name, ROLES, (EVERY_BRAND,), now)

    def revoke(self, name: str, now: datetime) -> None:
        """From the next request on it is refused; raises TokensError where no valid token has the name."""
        with self._alone() as tokens:
            left = _revoked(tokens, name, now)
            if left == tokens:
                valid = "、".join(one.name for one in tokens if one.revoked_at is None) or "无 / none"
                raise TokensError(f"没有名为“{name}”的有效令牌，现有：{valid} / no valid token has this name")
            self._write(left)

    # --- the file ---

    @contextmanager
    def _alone(self) -> Iterator[tuple[StoredToken, ...]]:
        """One writer at a time, also among processes; what the file holds now."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_suffix(".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield self.all()
        except OSError as error:
            way_out = "请检查路径和权限 / check path and permission"
            raise TokensError(f"{self.path} 无法写入 / cannot be written（{error.strerror}）；{way_out}") from None

    def _add(
        self, tokens: tuple[StoredToken, ...], name: str, roles: tuple[str, ...], brands: tuple[str, ...], now: datetime
    ) -> str:
        token = new_token()
        declared = {"name": name, "roles": roles, "brands": brands, "sha256": hash_of(token), "created_at": now}
        try:
            made = msgspec.convert(declared, StoredToken)
        except msgspec.ValidationError as error:
            way_out = (
                "名字 1 到 64 字；角色用 publish、approve、operate、read；品牌用其编号或 *"
                " / a name of 1 to 64 characters, roles publish, approve, operate or read, brand ids or *"
            )
            raise TokensError(f"不能这样建立令牌（{error}）；{way_out}") from None
        self._write((*tokens, made))
        return token

    def _write(self, tokens: tuple[StoredToken, ...]) -> None:
        text = msgspec.json.format(msgspec.json.encode(_Content(tokens=tokens)), indent=2) + b"\n"
        private_write(self.path, text)


def _read(path: Path) -> tuple[StoredToken, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Content).tokens
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, why: str) -> TokensError:
    return TokensError(
        f"令牌文件 {path} 无法读取（{why}）；请修复，或移走后用 tongbo token new 重新建立"
        " / the tokens file cannot be read: mend it, or move it away and make tokens anew with `tongbo token new`"
    )


def _revoked(tokens: tuple[StoredToken, ...], name: str, now: datetime) -> tuple[StoredToken, ...]:
    return tuple(
        structs.replace(one, revoked_at=now) if one.name == name and one.revoked_at is None else one for one in tokens
    )
