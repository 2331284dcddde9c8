"""The adapter contract: a platform is one folder `adapter_<platform>` whose `ADAPTER` is an `Adapter`.

The worker owns state, time, retries and the ledger; an adapter owns the platform's words: what fits, what to send, what
an answer means. The parts of the contract stand beside this file, one subject each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.events.content import MasterContent, Target
from services.adapter.contract.account import AccountCare, Connecting
from services.adapter.contract.accounts import Account
from services.adapter.contract.after_posting import Replies, Retraction
from services.adapter.contract.callbacks import Callbacks
from services.adapter.contract.content import Limits, Localised
from services.adapter.contract.errors import ErrorTable
from services.adapter.contract.feedback import FeedbackSource
from services.adapter.contract.publication import Publication
from services.adapter.contract.shared import Shared


@dataclass(frozen=True, slots=True)
class Name:
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the worker is with this platform; seconds of real time.

    look_after_s: from the end of an unknown call to the first look; look_every_s: between looks; looks: negative looks
    before *not there* is believed; follow_every_s: between status polls; call_timeout_s: longest a call may take.
    """

    look_after_s: float
    look_every_s: float
    looks: int
    follow_every_s: float
    call_timeout_s: float = 20.0


class ClientFactory(Protocol):
    """Builds the platform client of one account. A client holds connections and is used by many threads.

    shared: the account's tokens and call budget, which other processes use too; None = the client is alone with it.
    """

    def __call__(self, account: Account, timeout_s: float, shared: Shared | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """Everything the pipeline knows about one platform.

    ways: the ways of posting an account may declare. localise: pure and deterministic. The last five are described in
    `after_posting.py`, `account.py` and `callbacks.py`; None where the platform offers no such thing.
    """

    platform: str
    name: Name
    ways: tuple[str, ...]
    limits: Limits
    errors: ErrorTable
    timing: Timing
    localise: Callable[[MasterContent, Target, Account], Localised]
    publication: Publication
    feedback: FeedbackSource
    client: ClientFactory
    retraction: Retraction | None = None
    replies: Replies | None = None
    care: AccountCare | None = None
    callbacks: Callbacks | None = None
    connecting: Connecting | None = None
