"""Every request the simulated platforms got, for `/_sim/calls`. Keeps no token and no body, only what was answered."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from services.simulator.contract import Call, SimAccount

CAPACITY = 200_000
ANSWER_CHARS = 500
_TOKEN = re.compile(r'("[a-z_]*(?:token|ticket|secret)"\s*:\s*")[^"]*("|$)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """time: simulated; real_time: when the answer was ready. status None: the client got no answer."""

    time: datetime
    real_time: datetime
    method: str
    path: str
    endpoint: str | None
    platform: str
    account: str | None
    status: int | None
    answer: str
    fault: str | None

    def shown(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


class CallLog:
    """A ring of the last calls, oldest first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._ring: deque[LoggedCall] = deque(maxlen=capacity)

    def add(self, kept: LoggedCall) -> None:
        self._ring.append(kept)

    def clear(self) -> None:
        self._ring.clear()

    def __iter__(self) -> Iterator[LoggedCall]:
        return iter(self._ring)

    def __len__(self) -> int:
        return len(self._ring)


def masked(answer: bytes) -> str:
    """The first characters of an answer with the values of its tokens, tickets and secrets hidden."""
    text = answer[: ANSWER_CHARS * 8].decode("utf-8", "replace")
    return _TOKEN.sub(r"\1***\2", text)[:ANSWER_CHARS]


def account_of(call: Call, accounts: Iterable[SimAccount]) -> str | None:
    """Whose call it is: told by token, else open id, else app id; None where that is not exactly one account."""
    said = _strings(call)
    everyone = list(accounts)
    for told_by in (_tokens, lambda account: {account.open_id}, lambda account: {account.app_id}):
        found = [account.account for account in everyone if (told_by(account) - {""}) & said]
        if len(found) == 1:
            return found[0]
    return None


def _strings(call: Call) -> set[str]:
    said = {*call.query.values(), *call.form.values()}
    said |= {word for value in call.headers.values() for word in (value, value.rpartition(" ")[2])}
    if isinstance(call.json, dict):
        said |= {value for value in call.json.values() if isinstance(value, str)}
    return said


def _tokens(account: SimAccount) -> set[str]:
    """Tokens of the account, those a platform remembers in its state included."""
    tokens = {account.access_token, account.refresh_token}
    for value in account.state.values():
        if isinstance(value, str):
            tokens.add(value)
        elif isinstance(value, dict):
            tokens |= {word for pair in value.items() for word in pair if isinstance(word, str)}
    return tokens
