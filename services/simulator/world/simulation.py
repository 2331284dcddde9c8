"""The simulation itself without any HTTP: clock, worlds, faults, call log, and one lock that makes each use atomic."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from services.adapter.contract.accounts import Account
from services.runtime.logging import get_logger
from services.simulator.audience.reactions import Audience
from services.simulator.contract import Call, Endpoint, SimAccount, SimulatedPlatform
from services.simulator.http.refusal import AdminError
from services.simulator.http.webhooks import Webhooks
from services.simulator.world.call_log import CallLog
from services.simulator.world.clock import SimClock
from services.simulator.world.faults import GENERIC, OF_PLATFORMS, Fault, Faults
from services.simulator.world.platform_world import CALLBACK_URL, SimWorld

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A platform with its world and its endpoints by (method, path)."""

    simulated: SimulatedPlatform
    world: SimWorld
    endpoints: dict[tuple[str, str], Endpoint]

    def accounts(self) -> list[SimAccount]:
        return list(self.world.accounts.values())


class Simulation:
    """Everything that `reset` puts back to the first day."""

    def __init__(
        self,
        platforms: Sequence[SimulatedPlatform],
        accounts: Iterable[Account],
        audience: Audience,
        seed: int,
        speed: float,
    ) -> None:
        self.seed = seed
        self.audience = audience
        self.clock = SimClock(speed)
        self.faults = Faults(seed)
        self.calls = CallLog()
        self.webhooks = Webhooks()
        self.bugs = 0
        self._lock = threading.RLock()
        declared = list(accounts)
        self.mounts: dict[str, Mounted] = {}
        for simulated in platforms:
            own = [account for account in declared if account.platform == simulated.platform]
            world = SimWorld(simulated, own, self.clock, audience, self.faults, seed, self.webhooks)
            self.mounts[simulated.platform] = Mounted(simulated, world, _by_route(simulated))

    def mount(self, platform: object) -> Mounted:
        if not isinstance(platform, str) or platform not in self.mounts:
            raise AdminError("platform", f"没有模拟平台 {platform!r} / no such simulated platform", self.mounts)
        return self.mounts[platform]

    def chosen(self, platform: str | None) -> list[Mounted]:
        """The mount of one platform, or all."""
        return list(self.mounts.values()) if platform is None else [self.mount(platform)]

    @contextmanager
    def instant(self) -> Iterator[datetime]:
        """Nothing else happens within the block, and the clock stands still."""
        with self._lock, self.clock.held() as now:
            yield now

    def pass_time(self, mounts: Iterable[Mounted]) -> None:
        """Let happen what time has brought; to be called within `instant`."""
        for mounted in mounts:
            mounted.world.begin("")
            mounted.world.tick()
            mounted.simulated.tick(mounted.world)
            mounted.world.note_ends()

    def let_time_pass(self) -> None:
        """For platforms that call back: what time brings must not wait until somebody asks."""
        listened = [one for one in self.mounts.values() if any(a.options.get(CALLBACK_URL) for a in one.accounts())]
        if not listened:
            return
        with self.instant():
            try:
                self.pass_time(listened)
            except Exception:
                self.bugs += 1
                log.exception("simulator_bug", endpoint="time")

    def reset(self) -> None:
        with self._lock:
            self.clock.reset()
            self.faults.reset()
            self.calls.clear()
            self.webhooks.forget()
            self.bugs = 0
            for mounted in self.mounts.values():
                mounted.world.reset()

    def add_fault(
        self, platform: object, endpoint: object, kind: object, count: object, rate: object, delay_s: object
    ) -> Fault:
        """Set a fault; raises RefusedError naming the field and what there is instead."""
        mounted = self.mount(platform)
        name = _endpoint_name(mounted, endpoint)
        fault = self.faults.add(mounted.world.platform, name, _known_kind(mounted, name, kind), count, rate, delay_s)
        log.info("simulator_fault_set", **fault.shown())
        return fault


def _by_route(simulated: SimulatedPlatform) -> dict[tuple[str, str], Endpoint]:
    routes: dict[tuple[str, str], Endpoint] = {}
    for endpoint in simulated.endpoints():
        route = (endpoint.method.upper(), endpoint.path)
        if route in routes:
            raise ValueError(f"{simulated.platform}: {endpoint.method} {endpoint.path} is declared twice")
        routes[route] = endpoint
    return routes


def _endpoint_name(mounted: Mounted, said: object) -> str:
    endpoints = mounted.endpoints.values()
    if said == "*":
        return "*"
    for endpoint in endpoints:
        if said in (endpoint.name, endpoint.path, f"/{mounted.world.platform}{endpoint.path}"):
            return endpoint.name
    known = ["*", *dict.fromkeys(endpoint.name for endpoint in endpoints)]
    callbacks: Sequence[str] = getattr(mounted.simulated, "callbacks", ())
    if isinstance(said, str) and said in callbacks:
        return said
    known += callbacks
    raise AdminError("endpoint", f"{mounted.world.platform} 没有接口 {said!r} / no such endpoint", known)


def _known_kind(mounted: Mounted, endpoint: str, kind: object) -> str:
    """`kind` if it can happen at this endpoint.

    A platform says which kinds its handlers take in `taken_faults`; where it says nothing it may take all usual ones.
    """
    taken: Sequence[str] = getattr(mounted.simulated, "taken_faults", OF_PLATFORMS)
    if isinstance(kind, str) and (kind in GENERIC or kind in taken or _in_its_own_words(mounted, endpoint, kind)):
        return kind
    known = [*GENERIC, *taken]
    known += [other for other in OF_PLATFORMS if other not in known and _in_its_own_words(mounted, endpoint, other)]
    reason = "尚未提供 / not available yet" if kind in OF_PLATFORMS else "没有这种故障 / no such fault"
    raise AdminError("kind", f"{kind!r}: {reason}", known)


def _in_its_own_words(mounted: Mounted, name: str, kind: str) -> bool:
    for endpoint in mounted.endpoints.values():
        if name in ("*", endpoint.name):
            probe = Call(endpoint.method, endpoint.path, {}, {}, None, {}, {})
            if mounted.simulated.fault_reply(kind, endpoint.name, probe) is not None:
                return True
    return False
