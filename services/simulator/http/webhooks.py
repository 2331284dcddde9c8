"""The calls of the simulated platforms to their customers: over real HTTP, tried again as they do, lost or tripled.

A world hands over what is to be sent and goes on; it is sent from the server's loop, outside the simulation's lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp

from services.runtime.logging import get_logger
from services.simulator.contract import OutgoingCallback

log = get_logger(__name__)

KEPT = 10_000
ANSWER_BYTES = 65_536
MOST_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often a call is tried in all, how long an answer may take, and the pause between tries; real seconds."""

    tries: int = 3
    timeout_s: float = 5.0
    pause_s: float = 1.0


@dataclass(slots=True)
class Delivery:
    """One call and how it went.

    attempts: the HTTP status of each try, None = no answer. answer: the last one. copies: how many are still under way.
    """

    platform: str
    account: str
    url: str
    request: OutgoingCallback
    made_at: datetime
    fault: str | None = None
    attempts: list[int | None] = field(default_factory=list)
    answer: bytes = b""
    delivered: bool = False
    copies: int = 0

    @property
    def over(self) -> bool:
        return self.copies == 0

    def shown(self) -> dict[str, Any]:
        """For the admin API; bodies may hold what people wrote and stay out of it."""
        return {
            "time": self.made_at,
            "platform": self.platform,
            "account": self.account,
            "name": self.request.name,
            "url": self.url,
            "attempts": self.attempts,
            "delivered": self.delivered,
            "over": self.over,
            "fault": self.fault,
        }


class Webhooks:
    """All deliveries, the last KEPT remembered. What is not said to be the loop's may be called from any thread."""

    def __init__(self, rule: RetryRule | None = None) -> None:
        self.rule = rule or RetryRule()
        self._lock = threading.Lock()
        self._kept: deque[Delivery] = deque(maxlen=KEPT)
        self._waiting: deque[Delivery] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, delivery: Delivery, copies: int = 1) -> None:
        """Deliver it, or keep it until the server runs. No copies: it is remembered as lost."""
        with self._lock:
            self._kept.append(delivery)
            delivery.copies = copies
            self._waiting.extend([delivery] * copies)
            if self._loop is not None and copies:
                self._loop.call_soon_threadsafe(self._start)

    def sent(self, platform: str | None = None) -> list[Delivery]:
        """What was to be sent so far, oldest first, whatever came of it."""
        with self._lock:
            return [delivery for delivery in self._kept if platform in (None, delivery.platform)]

    def idle(self) -> bool:
        """Nothing is waiting or on its way."""
        return all(delivery.over for delivery in self.sent())

    def forget(self) -> None:
        """As on the first day; what is on its way is given up."""
        with self._lock:
            self._kept.clear()
            self._waiting.clear()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._cancel)

    # On the server's loop.

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(limit=MOST_AT_ONCE)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._start()

    async def close(self) -> None:
        with self._lock:
            self._loop = None
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _start(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        for delivery in waiting:
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _deliver(self, delivery: Delivery) -> None:
        """Until it is taken as the platform wants it taken, or the tries are used up."""
        try:
            for number in range(self.rule.tries):
                if number:
                    await asyncio.sleep(self.rule.pause_s)
                if await self._taken(delivery):
                    delivery.delivered = True
                    return
            log.info(
                "simulator_callback_given_up", platform=delivery.platform, name=delivery.request.name,
                attempts=delivery.attempts,
            )  # fmt: skip
        finally:
            delivery.copies -= 1

    async def _taken(self, delivery: Delivery) -> bool:
        assert self._session is not None, "deliveries start when the session is open"
        request = delivery.request
        try:
            async with self._session.request(
                request.method,
                delivery.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.rule.timeout_s),
            ) as response:
                answer = await response.content.read(ANSWER_BYTES)
                delivery.attempts.append(response.status)
                delivery.answer = answer
                return request.accepts(response.status, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            delivery.attempts.append(None)
            return False


def address(base: str, request: OutgoingCallback) -> str:
    """Where a call goes: its own url or the account's, with the platform's parameters behind those there are."""
    url = request.url or base
    if not request.query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(dict(request.query))}"


def callback_address(base: str, platform: str, account: str) -> str:
    """Where the receiver of callbacks listens for an account."""
    return f"{base.rstrip('/')}/callbacks/{platform}/{account}"


def shown(deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
    return [delivery.shown() for delivery in deliveries]
