"""One request to a simulated platform: the faults that strike it, the handler, the answer, the entry in the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from services.runtime.logging import get_logger
from services.simulator.contract import Call, Endpoint, SimReply
from services.simulator.http import wire
from services.simulator.world.call_log import LoggedCall, account_of, masked
from services.simulator.world.faults import GENERIC
from services.simulator.world.simulation import Mounted, Simulation

log = get_logger(__name__)

OVERLOADED = SimReply(
    b"<html>\r\n<head><title>500 Internal Server Error</title></head>\r\n<body>\r\n"
    b"<center><h1>500 Internal Server Error</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
    status=500,
    content_type="text/html",
)


@dataclass(slots=True)
class _Visit:
    """What becomes of one request. call None: it was never read."""

    request: web.BaseRequest
    mounted: Mounted
    path: str
    endpoint: Endpoint | None
    call: Call | None = None
    account: str | None = None
    struck: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What faults call it; a path that the platform does not have is met by `*` alone."""
        return self.endpoint.name if self.endpoint else ""


class Gateway:
    """Answers requests to platforms. Handlers run to their end even where the client has gone."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def answer(self, request: web.BaseRequest, platform: str, path: str, own_port: bool) -> web.StreamResponse:
        """own_port: the platform's own listener, which refuses connections itself by not being there."""
        mounted = self._simulation.mount(platform)
        _, query = wire.target(request)
        visit = _Visit(request, mounted, path, mounted.endpoints.get((request.method, path)))
        if self._strikes(visit, "refuse_connection", only_rated=own_port):
            return self._cut(visit)
        try:
            visit.call = await wire.read_call(request, path, query)
        except wire.DepartedError:
            visit.struck.append("client_departed")
            return self._cut(visit)
        except wire.UnreadableError as error:
            return self._send(visit, SimReply({"error": str(error)}, status=error.status))
        return await self._handled(visit, visit.call)

    async def _handled(self, visit: _Visit, call: Call) -> web.StreamResponse:
        visit.account = account_of(call, visit.mounted.world.accounts.values())
        if self._strikes(visit, "drop_before"):
            return self._cut(visit)
        if self._strikes(visit, "http_500"):
            return self._send(visit, OVERLOADED)
        if slow := self._simulation.faults.take(visit.mounted.world.platform, "slow", visit.name):
            visit.struck.append("slow")
            await asyncio.sleep(slow.delay_s or 0)
        dropped = self._strikes(visit, "drop_after")
        reply = self._reply(visit, call)
        return self._cut(visit, reply) if dropped else self._send(visit, reply)

    def _reply(self, visit: _Visit, call: Call) -> SimReply:
        """What the platform does and says, in one instant; an exception in it is a bug of the simulator."""
        world = visit.mounted.world
        with self._simulation.instant():
            try:
                self._simulation.pass_time([visit.mounted])
                world.begin(visit.name)
                reply = self._in_its_words(visit, call)
                wire.encoded(reply)
            except Exception as error:
                self._simulation.bugs += 1
                log.exception("simulator_bug", platform=world.platform, endpoint=visit.name, path=visit.path)
                reply = SimReply({"simulator_bug": f"{type(error).__name__}: {error}"}, status=500)
            finally:
                world.note_ends()
                visit.struck += world.taken
            visit.account = visit.account or account_of(call, world.accounts.values())
        return reply

    def _in_its_words(self, visit: _Visit, call: Call) -> SimReply:
        simulated, world = visit.mounted.simulated, visit.mounted.world
        if visit.endpoint is None:
            return simulated.not_found(call)
        for kind in self._simulation.faults.kinds(world.platform, visit.name):
            if kind in GENERIC:
                continue
            words = simulated.fault_reply(kind, visit.name, call)
            if words is not None and world.take_fault(kind, visit.name):
                return words
        return visit.endpoint.handler(world, call)

    def _strikes(self, visit: _Visit, kind: str, only_rated: bool = False) -> bool:
        platform = visit.mounted.world.platform
        if self._simulation.faults.take(platform, kind, visit.name, only_rated) is None:
            return False
        visit.struck.append(kind)
        return True

    def _send(self, visit: _Visit, reply: SimReply) -> web.Response:
        self._keep(visit, reply, reply.status)
        return wire.response(reply, self._simulation.clock.now())

    def _cut(self, visit: _Visit, unsent: SimReply | None = None) -> web.Response:
        self._keep(visit, unsent, None)
        return wire.reset_connection(visit.request)

    def _keep(self, visit: _Visit, reply: SimReply | None, status: int | None) -> None:
        self._simulation.calls.add(
            LoggedCall(
                time=self._simulation.clock.now(),
                real_time=datetime.now(UTC),
                method=visit.request.method,
                path=visit.path,
                endpoint=visit.name or None,
                platform=visit.mounted.world.platform,
                account=visit.account,
                status=status,
                answer=masked(wire.encoded(reply)) if reply else "",
                fault="+".join(visit.struck) or None,
            )
        )
