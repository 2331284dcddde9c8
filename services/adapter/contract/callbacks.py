"""The calls a platform makes to this system (webhooks): how one is verified, answered and read.

Optional: `Adapter.callbacks` is None where the platform calls nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.adapter.contract.accounts import Account
from services.adapter.contract.feedback import Comment


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
