"""Whether a call is the platform's, and what it tells: decided here, without any I/O."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from schemas.codec import DecodeError, encode
from schemas.internal.callback import ArrivedComment, ChangedAuthorisation, ChangedPublication, PlatformCallback
from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.contract.callbacks import (
    AuthorisationChanged,
    CallbackAnswer,
    CallbackEvent,
    CallbackRefusedError,
    CallbackRequest,
    CommentArrived,
    PublicationChanged,
    Received,
)
from services.feedback_collector.records.pseudonyms import Pseudonyms

CALLBACK_TOPIC = "platform-callback"
MOST_EVENT_BYTES = 200_000  # far above what any platform tells of one comment


@dataclass(frozen=True, slots=True)
class Verified:
    """A call of the platform. values: its events as they go to the log; none where it asks for nothing."""

    account: Account
    answer: CallbackAnswer
    identity: str
    proof: str
    values: tuple[bytes, ...]


class Verdicts:
    """Asks the adapter of the addressed account; knows no platform itself."""

    def __init__(self, adapters: Mapping[str, Adapter], accounts: Accounts, pseudonyms: Pseudonyms) -> None:
        self._adapters, self._accounts, self._pseudonyms = adapters, accounts, pseudonyms
        self._stand_ins = {one.platform: _stand_in(one) for one in accounts}

    def known(self, platform: str, account: str) -> bool:
        """Whether this is an address of this system."""
        adapter = self._adapters.get(platform)
        return (
            adapter is not None and adapter.callbacks is not None and self._accounts.get(platform, account) is not None
        )

    def of(self, platform: str, account: str, request: CallbackRequest, now: datetime) -> Verified:
        """Raises CallbackRefusedError. An app may have one address for all its accounts: the right one is found."""
        adapter = self._adapters.get(platform)
        stand_in = self._stand_ins.get(platform)
        if adapter is None or adapter.callbacks is None or stand_in is None:
            raise CallbackRefusedError("unknown_address", 404)
        addressed = self._accounts.get(platform, account)
        if addressed is None:  # refused like an unproven call to a known account: names cannot be found by trying
            adapter.callbacks.receive(stand_in, request, now)
            raise CallbackRefusedError("unknown_address")
        first: CallbackRefusedError | None = None
        for one in (addressed, *self._of_the_same_app(addressed)):
            try:
                received = adapter.callbacks.receive(one, request, now)
            except CallbackRefusedError as refused:
                first = first or refused
            else:
                return self._verified(one, received, now)
        assert first is not None
        raise first

    def _of_the_same_app(self, account: Account) -> Iterator[Account]:
        for other in self._accounts.of(account.platform):
            if other.app_id and other.app_id == account.app_id and other.account != account.account:
                yield other

    def _verified(self, account: Account, received: Received, now: datetime) -> Verified:
        proof = hashlib.sha256(received.proof.encode(errors="replace")).hexdigest()[:32] if received.proof else ""
        try:
            events = [
                self._event(account, received, number, event, proof, now)
                for number, event in enumerate(received.events, start=1)
            ]
            values = tuple(encode(event) for event in events)
        except (DecodeError, UnicodeEncodeError):
            raise CallbackRefusedError("unwritable", 400) from None
        if any(len(value) > MOST_EVENT_BYTES for value in values):
            raise CallbackRefusedError("event_too_large", 413)
        return Verified(account, received.answer, received.identity, proof, values)

    def _event(
        self, account: Account, received: Received, number: int, event: CallbackEvent, proof: str, now: datetime
    ) -> PlatformCallback:
        comment = self._comment(account, event) if isinstance(event, CommentArrived) else None
        publication = ChangedPublication(ids=event.ids) if isinstance(event, PublicationChanged) else None
        authorisation = (
            ChangedAuthorisation(granted=event.granted, proven=event.proven, scopes=event.scopes)
            if isinstance(event, AuthorisationChanged)
            else None
        )
        return PlatformCallback(
            event_id=f"{received.identity[:280]}#{number}", occurred_at=received.occurred_at or now, observed_at=now,
            brand_id=account.brand_id, trace_id=received.identity, platform=account.platform, account=account.account,
            identity=received.identity, proof=proof, comment=comment, publication=publication,
            authorisation=authorisation,
        )  # fmt: skip

    def _comment(self, account: Account, event: CommentArrived) -> ArrivedComment:
        told = event.comment
        return ArrivedComment(
            native_id=event.native_id, comment_id=told.comment_id, text=told.text, written_at=told.written_at,
            author=self._pseudonyms.of(account.brand_id, account.platform, told.author),
            parent_comment_id=told.parent_comment_id, likes=told.likes,
        )  # fmt: skip


def _stand_in(account: Account) -> Account:
    """An account set up like this one, whose secrets nobody knows; no call is ever right for it."""
    options = {name: _nobody_knows() for name in account.options}
    return structs.replace(
        account, app_id=_nobody_knows(), app_secret=_nobody_knows(), open_id=_nobody_knows(), options=options
    )


def _nobody_knows() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()[:43]  # as long as a key of WeChat's
