"""Who is told what, in `<state_dir>/webhooks.json`: read anew when it changes, replaced as a whole, its owner's only.

It holds the secrets that messages are signed with, which is why it is a file and no topic.
"""

from __future__ import annotations

import fcntl
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, structs

from schemas.events.envelope import Identifier, Instant
from services.runtime.private_file import private_write
from services.webhooks.messages import EVENTS
from services.webhooks.signature import new_secret

FILE_NAME = "webhooks.json"
EVERY_BRAND = "*"


class Subscription(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver. events: none = all. It is told of what is written from created_at on."""

    subscription_id: Identifier
    url: Annotated[str, Meta(min_length=8, max_length=2000)]
    events: tuple[str, ...] = ()
    brand: str = EVERY_BRAND
    secret: Annotated[str, Meta(pattern=r"^whsec_[A-Za-z0-9+/=]{32,}$")]
    created_at: Instant

    def wants(self, event: str, brand_id: str, at: datetime) -> bool:
        return (
            (not self.events or event in self.events)
            and self.brand in (EVERY_BRAND, brand_id)
            and at >= self.created_at
        )


class _Content(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    subscriptions: tuple[Subscription, ...] = ()


class SubscriptionsError(Exception):
    """Raised when subscriptions cannot be read or changed; the text (Chinese / English) says why and the way out."""


class SubscriptionsFile:
    """Thread-safe, and safe beside other processes on the same file."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE_NAME
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._known: tuple[Subscription, ...] = ()

    def all(self) -> tuple[Subscription, ...]:
        """Every subscription, oldest first; none where there is no file. Raises SubscriptionsError."""
        with self._lock:
            try:
                status = self.path.stat()
                if (now := (status.st_mtime_ns, status.st_ino)) != self._seen:
                    self._known = msgspec.json.decode(self.path.read_bytes(), type=_Content).subscriptions
                    self._seen = now
            except FileNotFoundError:
                self._known, self._seen = (), None
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._seen = None
                raise SubscriptionsError(
                    f"订阅文件 {self.path} 无法读取（{error}）；请修复或移走 / cannot be read: mend it or move it away"
                ) from None
            return self._known

    def add(self, url: str, events: tuple[str, ...], brand: str, now: datetime) -> Subscription:
        """A new subscription with a secret of its own; raises SubscriptionsError where it makes no sense."""
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise SubscriptionsError(f"“{url}”不是 http(s) 地址 / is no http(s) address")
        unknown = sorted(set(events) - set(EVENTS))
        if unknown:
            raise SubscriptionsError(
                f"没有事件 {'、'.join(unknown)}，可选 / no such event, choose from：{'、'.join(EVENTS)}"
            )
        one = Subscription(
            subscription_id=f"wh-{secrets.token_hex(4)}", url=url, events=events, brand=brand, secret=new_secret(),
            created_at=now,
        )  # fmt: skip
        with self._alone() as known:
            self._write((*known, one))
        return one

    def remove(self, subscription_id: str) -> None:
        with self._alone() as known:
            left = tuple(one for one in known if one.subscription_id != subscription_id)
            if left == known:
                raise SubscriptionsError(f"没有订阅 {subscription_id} / no such subscription; `tongbo webhooks list`")
            self._write(left)

    @contextmanager
    def _alone(self) -> Iterator[tuple[Subscription, ...]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self.all()

    def _write(self, subscriptions: tuple[Subscription, ...]) -> None:
        private_write(self.path, msgspec.json.encode(_Content(subscriptions=subscriptions)))


def masked(one: Subscription) -> Subscription:
    """The subscription without what must not be shown."""
    return structs.replace(one, secret="whsec_***")
