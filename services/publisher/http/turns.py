"""Whose request is worked on next: brands take turns, and commands have threads that nothing else may use.

One brand can neither take all threads nor, by the number of its requests, the memory that their bodies need.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, ParamSpec, TypeVar, get_args

from services.publisher.access.roles import Granted
from services.publisher.api.problems import unavailable

P = ParamSpec("P")
R = TypeVar("R")

# ordinary: contents, campaigns, queries. urgent: commands, cancels, brakes. upload: measuring of a file that has come.
Lane = Literal["ordinary", "urgent", "upload"]
LANES: tuple[Lane, ...] = get_args(Lane)
THREADS: dict[Lane, tuple[int, int]] = {"ordinary": (8, 4), "urgent": (8, 4), "upload": (2, 1)}  # all, of one brand
MOST_AT_ONCE: dict[Lane, int] = {"ordinary": 32, "urgent": 32, "upload": 16}  # requests of one brand with a body


class FairThreads:
    """`most` threads, of which one owner has `most_of_one` at a time. Used in one event loop only."""

    def __init__(self, name: str, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._running = Counter[Hashable]()
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}  # who has waited longest for a turn is first

    async def run(self, owner: Hashable, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """The result of `call`, made on a thread as soon as it is the owner's turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had just been its turn
                self._over(owner)
            raise
        context = contextvars.copy_context()
        work = loop.run_in_executor(self._pool, lambda: context.run(call, *arguments, **named))
        work.add_done_callback(
            lambda _: self._over(owner)
        )  # where nobody waits any more the thread is busy all the same
        return await asyncio.shield(work)

    def _over(self, owner: Hashable) -> None:
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        self._next()

    def _next(self) -> None:
        while self._running.total() < self._most:
            free = [one for one in self._waiting if self._running[one] < self._most_of_one]
            if not free:
                return
            owner = min(free, key=lambda one: self._running[one])
            turns = self._waiting.pop(owner)
            turn = turns.popleft()
            if turns:
                self._waiting[owner] = turns  # at the end: the others come first now
            if not turn.done():
                self._running[owner] += 1
                turn.set_result(None)


class Turns:
    """The lanes of one publisher, and how many requests of each brand are under way in them."""

    def __init__(self) -> None:
        self._lanes = {lane: FairThreads(lane, *THREADS[lane]) for lane in LANES}
        self._under_way = Counter[tuple[Lane, frozenset[str]]]()

    def of(self, granted: Granted) -> BrandTurns:
        return BrandTurns(self._lanes, granted.brands)

    def begin(self, lane: Lane, granted: Granted) -> Callable[[], None]:
        """Count a request before its body is read; returns what ends it. Raises RequestRefusedError (503)."""
        owner = (lane, granted.brands)
        if self._under_way[owner] >= MOST_AT_ONCE[lane]:
            detail = (
                "这个品牌同时进行的请求太多，请稍后重试 / too many requests of this brand at once, repeat it shortly"
            )
            raise unavailable("too_many_at_once", detail, 1)
        self._under_way[owner] += 1

        def end() -> None:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

        return end


class BrandTurns:
    """The lanes for the brands of one token."""

    def __init__(self, lanes: dict[Lane, FairThreads], brands: frozenset[str]) -> None:
        self._lanes, self._brands = lanes, brands

    async def ordinarily(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await self._lanes["ordinary"].run(self._brands, call, *arguments, **named)

    async def urgently(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await self._lanes["urgent"].run(self._brands, call, *arguments, **named)

    async def measuring(self, call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        return await self._lanes["upload"].run(self._brands, call, *arguments, **named)
