"""The simulator's HTTP server: every platform under `/<platform>` of one port and on a port of its own, and `/_sim`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from services.adapter.contract.accounts import Account
from services.simulator.audience.reactions import Audience
from services.simulator.audience.seeded import SeededAudience
from services.simulator.contract import SimReply, SimulatedPlatform
from services.simulator.discovery import discovered
from services.simulator.http import admin, wire
from services.simulator.http.gateway import Gateway
from services.simulator.http.listener import Listener
from services.simulator.world.clock import SimClock
from services.simulator.world.faults import Fault
from services.simulator.world.platform_world import SimWorld
from services.simulator.world.simulation import Simulation

TIME_PASSES_EVERY_S = 0.25

Result = TypeVar("Result")
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class SimulatorError(Exception):
    """Raised when the simulator cannot be started; the text says what to do."""


class SimulatorServer:
    """Runs in a thread with a loop of its own; a context manager. Listens on loopback only; port 0 = any free one.

    accounts: the accounts that exist on the platforms (`load_accounts(…)`). platforms: None = all that are discovered.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        *,
        port: int = 0,
        platforms: Sequence[SimulatedPlatform] | None = None,
        audience: Audience | None = None,
        seed: int = 1,
        speed: float = 1.0,
    ) -> None:
        found, self.broken = discovered() if platforms is None else (platforms, {})
        self._simulation = Simulation(found, accounts, audience or SeededAudience(seed), seed, speed)
        self._gateway = Gateway(self._simulation)
        self._admin = admin.Admin(self._simulation, self)
        self._wanted_port = port
        self._listeners: dict[str, Listener] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise SimulatorError(
                f"模拟器无法在端口 {self._wanted_port} 启动：{self._failure}；请换一个 --port"
                f" / cannot listen on port {self._wanted_port}, choose another --port"
            ) from self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    @property
    def url(self) -> str:
        """The shared port: `/<platform>/…` and `/_sim/…`."""
        return self._listeners[""].url

    @property
    def clock(self) -> SimClock:
        return self._simulation.clock

    @property
    def simulation(self) -> Simulation:
        return self._simulation

    def platform_url(self, platform: str) -> str:
        """The platform's own port, where its paths begin at the root and `refuse_connection` really refuses."""
        self._simulation.mount(platform)
        return self._listeners[platform].url

    def world(self, platform: str) -> SimWorld:
        """The platform's world, to look at; `simulation.instant()` keeps it still meanwhile."""
        return self._simulation.mount(platform).world

    def set_fault(
        self,
        platform: str,
        endpoint: str,
        kind: str,
        count: int | None = None,
        rate: float | None = None,
        delay_s: float | None = None,
    ) -> Fault:
        """Without count and rate the fault stays until it is cleared (`refuse_connection`: for delay_s)."""
        return self._on_loop(self._add_fault(platform, endpoint, kind, count, rate, delay_s))

    def clear_faults(self, platform: str | None = None) -> None:
        self._on_loop(self.clear_faults_as(platform))

    # What the admin API calls, on the loop.

    def addresses(self) -> dict[str, str]:
        return {name: listener.url for name, listener in self._listeners.items() if name}

    async def set_fault_as(self, said: Mapping[str, object]) -> dict[str, object]:
        names = ("platform", "endpoint", "kind", "count", "rate", "delay_s")
        return (await self._add_fault(*(said.get(name) for name in names))).shown()

    async def _add_fault(
        self, platform: object, endpoint: object, kind: object, count: object, rate: object, delay_s: object
    ) -> Fault:
        fault = self._simulation.add_fault(platform, endpoint, kind, count, rate, delay_s)
        if fault.kind == "refuse_connection" and fault.rate is None:
            await self._listeners[fault.platform].refuse(fault.delay_s or 0)
        return fault

    async def clear_faults_as(self, platform: str | None) -> None:
        self._simulation.faults.clear(platform)
        for name, listener in self._listeners.items():
            if platform in (None, name):
                await listener.open()

    def _on_loop(self, work: Coroutine[Any, Any, Result]) -> Result:
        if self._loop is None:
            work.close()
            raise SimulatorError("模拟器尚未启动：请用 with SimulatorServer(…) / the simulator is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self._listeners[""] = Listener(_server(self._shared), self._wanted_port)
            for platform in self._simulation.mounts:
                self._listeners[platform] = Listener(_server(self._own(platform)), 0)
            for listener in self._listeners.values():
                await listener.open()
        except (OSError, OverflowError) as error:
            self._failure = error
        await self._simulation.webhooks.open()
        passing = asyncio.create_task(self._let_time_pass())
        self._ready.set()
        if self._failure is None:
            await self._stop.wait()
        passing.cancel()
        await self._simulation.webhooks.close()
        for listener in self._listeners.values():
            await listener.close()

    async def _let_time_pass(self) -> None:
        """Reviews end and jobs finish also while nobody calls, where somebody waits to be called back."""
        while True:
            await asyncio.sleep(TIME_PASSES_EVERY_S)
            self._simulation.let_time_pass()

    async def _shared(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _ = wire.target(request)
        if path == admin.PREFIX or path.startswith(f"{admin.PREFIX}/"):
            return await self._admin.answer(request)
        platform, slash, rest = path.removeprefix("/").partition("/")
        if platform in self._simulation.mounts:
            return await self._gateway.answer(request, platform, slash + rest, own_port=False)
        known = [f"/{name}/" for name in self._simulation.mounts] + [f"{admin.PREFIX}/"]
        nothing = SimReply({"error": "没有这个平台 / no such platform", "known": known}, status=404)
        return wire.response(nothing, self._simulation.clock.now())

    def _own(self, platform: str) -> Answer:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            path, _ = wire.target(request)
            return await self._gateway.answer(request, platform, path, own_port=True)

        return answer


def _server(answer: Answer) -> web.Server:
    """Bodies are taken as they come: these platforms do not unpack compressed requests."""
    return web.Server(answer, access_log=None, auto_decompress=False)
