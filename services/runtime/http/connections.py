"""A connection of uvicorn's on which a client may not take its time: the whole head soon, the answer read soon.

uvicorn closes what is idle after an answer, and nothing else. A client that is waited for can be closed for another.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from services.runtime.http.patience import BODY_WITHIN_S

HEAD_WITHIN_S = 10.0  # from connecting, or from the first byte of a further request
READ_WITHIN_S = 30.0  # how long a client may read nothing of its answer
MOST_CONNECTIONS = 500  # half of what a process may usually have open


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may take. body_within_s: for the first 1.5 MB of a body, see patience.py."""

    head_within_s: float = HEAD_WITHIN_S
    body_within_s: float = BODY_WITHIN_S
    read_within_s: float = READ_WITHIN_S
    most: int = MOST_CONNECTIONS


@dataclass(slots=True)
class OpenConnections:
    """Those of one server, the one that said something last at the end; used in its event loop only."""

    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    _by_last_word: OrderedDict[BoundedConnection, None] = field(default_factory=OrderedDict)

    def opened(self, one: BoundedConnection) -> bool:
        """Whether there is room for another; the client that has been silent longest makes room."""
        if len(self._by_last_word) >= self.limits.most:
            silent = next((known for known in self._by_last_word if known.waits_for_client), None)
            if silent is None:
                return False
            silent.put_out()
        self._by_last_word[one] = None
        return True

    def heard(self, one: BoundedConnection) -> None:
        if one in self._by_last_word:
            self._by_last_word.move_to_end(one)

    def closed(self, one: BoundedConnection) -> None:
        self._by_last_word.pop(one, None)


class BoundedConnection(H11Protocol):
    """`connections` is set on a subclass, one for each server; uvicorn makes an instance for each connection."""

    open_connections: OpenConnections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._head: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        if not self.open_connections.opened(self):
            self.put_out()
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.closed(self)
        self._unset("_head")
        self._unset("_reading")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.open_connections.heard(self)
        super().data_received(data)
        self._watch_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(self.open_connections.limits.read_within_s, self.put_out)

    def resume_writing(self) -> None:
        self._unset("_reading")
        super().resume_writing()

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: for a head, for the rest of a body, or to read its answer."""
        return self._no_request or self.cycle.more_body or self._reading is not None

    def put_out(self) -> None:
        """End it at once; whatever waits for it is told that the client has gone."""
        self.open_connections.closed(self)
        self.transport.abort()

    @property
    def _no_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch_head(self) -> None:
        if not self._no_request:
            self._unset("_head")
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(self.open_connections.limits.head_within_s, self.put_out)

    def _unset(self, timer: str) -> None:
        handle: Any = getattr(self, timer, None)
        if handle is not None:
            handle.cancel()
            setattr(self, timer, None)
