"""What an adapter may offer besides publishing and listening: withdrawing, answering, account care, callbacks, OAuth.

Each is optional (`Adapter.… is None` where the platform has no such thing). The same words hold as in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from schemas.placement import PlacementRecord
from services.adapter.accounts import Account
from services.adapter.contract import Comment, LivePost
from services.adapter.errors import PlatformError
from services.adapter.sharing import Tokens


class Retraction(Protocol):
    """Taking a live post down again."""

    def retract(self, client: Any, record: PlacementRecord) -> None:
        """One attempt. A post that is gone already is a success. Raises PlatformError."""
        ...


class Replies(Protocol):
    """Answering comments. A reply is public, so it is written at most once, like a post."""

    def reply(self, client: Any, post: LivePost, comment_id: str, text: str) -> str:
        """One attempt; the reply's native id. Raises PlatformError (`outcome` as for posts)."""
        ...

    def find_reply(self, client: Any, post: LivePost, comment_id: str, text: str, since: datetime) -> str | None:
        """Look, read-only, for our own reply not older than `since`; None where it is not there (yet)."""
        ...

    def most_characters(self) -> int:
        """Longest reply in the platform's own counting."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit the platform itself tells. endpoint as in `RateLimit`; resets_at None = it does not say."""

    endpoint: str
    limit: int
    remaining: int
    resets_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """What an account's platform says about its authorisation. token_expires_at None = not known or never.

    problem: Chinese, why the account cannot be used now; empty = it can. error: the failure behind a problem.
    """

    token_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    quotas: tuple[Quota, ...] = ()
    problem: str = ""
    error: PlatformError | None = None


class AccountCare(Protocol):
    """Read-only look after one account."""

    def check(self, client: Any, now: datetime) -> AccountHealth:
        """Never raises for an account that is in trouble: that is what `problem` is for."""
        ...


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user granted. user: whose account it is, by the platform's id. scopes None: the platform does not say."""

    tokens: Tokens
    user: str
    scopes: tuple[str, ...] | None = None


class Connecting(Protocol):
    """OAuth: a user gives the app access to an account."""

    def address(self, account: Account, redirect_uri: str, state: str) -> str:
        """Where the user agrees; they are sent to `redirect_uri` with `code` and `state` afterwards. Pure."""
        ...

    def needed(self, account: Account) -> tuple[str, ...]:
        """Scopes without which something of what the account is for would fail."""
        ...

    def exchange(self, client: Any, code: str, redirect_uri: str) -> Grant:
        """One attempt; a code is good once. Raises PlatformError."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A platform's call to us. headers: names in lower case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What the platform wants to hear."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


@dataclass(frozen=True, slots=True)
class PublicationChanged:
    """Something happened to a publication: ask for its status now. ids: names the platform uses for it."""

    ids: dict[str, str]


@dataclass(frozen=True, slots=True)
class CommentArrived:
    """A comment on the post `native_id`; it meets the poll's find in one identity."""

    native_id: str
    comment: Comment


@dataclass(frozen=True, slots=True)
class AuthorisationChanged:
    """The user granted or withdrew the app's rights.

    proven False: anybody could have sent this; only a reason to ask AccountCare, never believed by itself.
    """

    granted: bool
    scopes: tuple[str, ...] = ()
    proven: bool = True


CallbackEvent = PublicationChanged | CommentArrived | AuthorisationChanged


@dataclass(frozen=True, slots=True)
class Received:
    """A verified callback. identity: the same for each repetition of the same call. events: none for a mere check.

    Where a platform signs nothing, its events say so (`proven`). proof: what vouched for the sender where that does
    not cover the body, so that other words under the same proof are known for a replay; empty where it does.
    """

    answer: CallbackAnswer
    identity: str
    events: tuple[CallbackEvent, ...] = ()
    occurred_at: datetime | None = None
    proof: str = ""


class CallbackRefusedError(Exception):
    """Raised for a callback that is not the platform's: wrong signature, replayed, malformed. reason: a constant."""

    def __init__(self, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class Callbacks(Protocol):
    """The platform's calls to us. Pure: verifies and reads, does nothing."""

    def receive(self, account: Account, request: CallbackRequest, now: datetime) -> Received:
        """Raises CallbackRefusedError; never anything else, whatever the bytes."""
        ...
