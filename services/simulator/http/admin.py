"""The admin API `/_sim/…` of the design, stable: what is true in the simulation, and how to bend it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from services.runtime.logging import get_logger
from services.simulator.contract import Call, SimAccount, SimPost, SimReply
from services.simulator.http import webhooks, wire
from services.simulator.http.refusal import AdminError, number
from services.simulator.world.clock import MAX_SPEED
from services.simulator.world.platform_world import CALLBACK_URL, SimWorld
from services.simulator.world.simulation import Mounted, Simulation

PREFIX = "/_sim"
log = get_logger(__name__)


class Switchboard(Protocol):
    """What the admin API needs of the server beside the simulation: it alone opens and closes ports."""

    broken: dict[str, str]

    def addresses(self) -> dict[str, str]: ...

    async def set_fault_as(self, said: Mapping[str, object]) -> dict[str, object]: ...

    async def clear_faults_as(self, platform: str | None) -> None: ...


Action = Callable[[Call], Awaitable[object]]


class Admin:
    def __init__(self, simulation: Simulation, switchboard: Switchboard) -> None:
        self._simulation = simulation
        self._switchboard = switchboard
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "/info"): self._info,
            ("GET", "/accounts"): self._accounts,
            ("GET", "/posts"): self._posts,
            ("GET", "/truth"): self._truth,
            ("GET", "/calls"): self._calls,
            ("GET", "/faults"): self._faults,
            ("POST", "/faults"): self._set_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("GET", "/clock"): self._clock,
            ("POST", "/clock"): self._set_clock,
            ("GET", "/callbacks"): self._callbacks,
            ("POST", "/callbacks"): self._set_callback_url,
            ("POST", "/acts"): self._act,
            ("POST", "/audience"): self._set_audience,
            ("GET", "/audience/settled"): self._settled,
            ("POST", "/reset"): self._reset,
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        path, query = wire.target(request)
        try:
            call = await wire.read_call(request, path.removeprefix(PREFIX), query)
            reply = SimReply(await self._action(call)(call))
        except AdminError as error:
            reply = SimReply(error.body(), status=400)
        except wire.UnreadableError as error:
            reply = SimReply({"error": str(error)}, status=error.status)
        except wire.DepartedError:
            return wire.reset_connection(request)
        except web.HTTPException as error:
            reply = SimReply({"error": error.reason, "known": self._routes()}, status=error.status)
        return wire.response(reply, self._simulation.clock.now())

    def _action(self, call: Call) -> Action:
        path = call.path.rstrip("/")
        if action := self._actions.get((call.method, path)):
            return action
        if any(known == path for _, known in self._actions):
            raise web.HTTPMethodNotAllowed(call.method, [m for m, known in self._actions if known == path])
        raise web.HTTPNotFound(reason=f"no {PREFIX}{path or '/'} here")

    def _routes(self) -> list[str]:
        return [f"{method} {PREFIX}{path}" for method, path in self._actions]

    async def _info(self, call: Call) -> object:
        _only(call.query)
        return {
            "platforms": self._switchboard.addresses(),
            "now": self._simulation.clock.now().isoformat(),
            "speed": self._simulation.clock.speed,
            "seed": self._simulation.seed,
            "audience": self._simulation.audience.description,
            "bugs": self._simulation.bugs,
            "broken": dict(self._switchboard.broken),
            "endpoints": {
                platform: sorted({endpoint.name for endpoint in mounted.endpoints.values()})
                for platform, mounted in self._simulation.mounts.items()
            },
        }

    async def _accounts(self, call: Call) -> object:
        names = ("platform", "account", "app_id", "app_secret", "open_id", "access_token", "refresh_token", "way")
        return [
            {name: getattr(account, name) for name in names}
            | {"display_name": account.display_name, "followers": account.followers}
            for mounted in self._chosen(call)
            for account in mounted.world.accounts.values()
        ]

    async def _posts(self, call: Call) -> object:
        return self._of_each_post(call, _post)

    async def _truth(self, call: Call) -> object:
        return self._of_each_post(call, _truth)

    def _of_each_post(self, call: Call, shown: Callable[[Mounted, SimPost], dict[str, Any]]) -> object:
        chosen = self._chosen(call)
        with self._simulation.instant():
            self._simulation.pass_time(chosen)
            return [shown(mounted, post) for mounted in chosen for post in mounted.world.posts]

    async def _calls(self, call: Call) -> object:
        platform = self._platform(call, "limit")
        kept = [entry.shown() for entry in self._simulation.calls if platform in (None, entry.platform)]
        if "limit" not in call.query:
            return kept
        if not call.query["limit"].isdecimal() or int(call.query["limit"]) < 1:
            raise AdminError("limit", "必须是正整数 / must be a positive whole number")
        return kept[-int(call.query["limit"]) :]

    async def _faults(self, call: Call) -> object:
        return [fault.shown() for fault in self._simulation.faults.left(self._platform(call))]

    async def _set_fault(self, call: Call) -> object:
        said = _object(call, "platform", "endpoint", "kind", "count", "rate", "delay_s")
        for needed in ("platform", "endpoint", "kind"):
            if needed not in said:
                raise AdminError(needed, "必填 / required")
        return await self._switchboard.set_fault_as(said)

    async def _clear_faults(self, call: Call) -> object:
        await self._switchboard.clear_faults_as(self._platform(call))
        return {"faults": len(self._simulation.faults.left())}

    async def _callbacks(self, call: Call) -> object:
        return webhooks.shown(self._simulation.webhooks.sent(self._platform(call)))

    async def _set_callback_url(self, call: Call) -> object:
        said = _object(call, "platform", "account", "url")
        account, url = _account(self._simulation.mount(said.get("platform")), said), said.get("url")
        if not isinstance(url, str) or (url and not url.startswith(("http://", "https://"))):
            raise AdminError("url", "必须是 http(s) 地址，空字符串表示取消 / must be an http(s) address, or empty")
        account.options[CALLBACK_URL] = url
        return {"platform": account.platform, "account": account.account, "url": url}

    async def _act(self, call: Call) -> object:
        said = _object(call, "platform", "account", "act", "with")
        mounted, details = self._simulation.mount(said.get("platform")), said.get("with", {})
        account, acts = _account(mounted, said), getattr(mounted.simulated, "acts", {})
        if said.get("act") not in acts:
            raise AdminError("act", "没有这种操作 / no such act", acts)
        if not isinstance(details, dict) or not all(isinstance(value, str) for value in details.values()):
            raise AdminError("with", "必须是值为字符串的 JSON 对象 / must be a JSON object of strings")
        with self._simulation.instant():
            self._simulation.pass_time([mounted])
            done = dict(acts[said["act"]](mounted.world, account, details))
            mounted.world.note_ends()
        return done

    async def _clock(self, call: Call) -> object:
        _only(call.query)
        return {"now": self._simulation.clock.now().isoformat(), "speed": self._simulation.clock.speed}

    async def _set_clock(self, call: Call) -> object:
        said = _object(call, "speed", "advance_s")
        if not said:
            raise AdminError("speed", "请给 speed 或 advance_s / give speed or advance_s", ("speed", "advance_s"))
        if "speed" in said and "advance_s" in said:
            number("speed", said["speed"], 0, MAX_SPEED)
        if "advance_s" in said:
            self._simulation.clock.advance(said["advance_s"])
        if "speed" in said:
            self._simulation.clock.set_speed(said["speed"])
        return await self._clock(call)

    async def _set_audience(self, call: Call) -> object:
        if _object(call, "stop").get("stop") is not True:
            raise AdminError("stop", "只接受 true；重新开始请用 POST /_sim/reset / must be true")
        with self._simulation.instant():
            self._simulation.pass_time(self._simulation.mounts.values())
            for mounted in self._simulation.mounts.values():
                mounted.world.stop_audience()
        return {"stopped": True, "now": self._simulation.clock.now().isoformat()}

    async def _settled(self, call: Call) -> object:
        chosen = self._chosen(call)
        with self._simulation.instant():
            self._simulation.pass_time(chosen)
            waiting = [entry for mounted in chosen for entry in mounted.world.unsettled()]
        last = max((at for _, at in waiting if at is not None), default=None)
        return {
            "settled": not waiting,
            "unsettled_posts": [f"{post.platform}:{post.native_id}" for post, _ in waiting],
            "last_reaction_at": last.isoformat() if last else None,
        }

    async def _reset(self, call: Call) -> object:
        _object(call)
        await self._switchboard.clear_faults_as(None)
        self._simulation.reset()
        log.info("simulator_reset")
        return await self._clock(call)

    def _chosen(self, call: Call) -> list[Mounted]:
        return self._simulation.chosen(self._platform(call))

    def _platform(self, call: Call, *others: str) -> str | None:
        _only(call.query, "platform", *others)
        platform = call.query.get("platform") or None
        if platform is not None:
            self._simulation.mount(platform)
        return platform


def _post(mounted: Mounted, post: SimPost) -> dict[str, Any]:
    return {
        "platform": post.platform,
        "native_id": post.native_id,
        "account": post.account,
        "kind": post.kind,
        "title": post.title,
        "text": post.text,
        "created_at": post.created_at.isoformat(),
        "live_at": post.live_at.isoformat() if post.live_at else None,
        "state": post.state,
        "ids": post.ids,
        "media": list(post.media),
        "placement_hint": post.placement_hint,
    }


def _truth(mounted: Mounted, post: SimPost) -> dict[str, Any]:
    world: SimWorld = mounted.world
    figures = world.true_counts(post)
    return {
        "platform": post.platform,
        "native_id": post.native_id,
        "account": post.account,
        "state": post.state,
        "metrics": {metric: figures[metric] for metric in mounted.simulated.exposed},
        "comment_ids": [comment.native_id for comment in world.comments(post)],
        "placement_hint": post.placement_hint,
    }


def _account(mounted: Mounted, said: Mapping[str, object]) -> SimAccount:
    accounts, name = mounted.world.accounts, said.get("account")
    if not isinstance(name, str) or name not in accounts:
        raise AdminError("account", f"没有账号 {name!r} / no such account", accounts)
    return accounts[name]


def _only(said: Mapping[str, object], *known: str) -> None:
    for name in said:
        if name not in known:
            raise AdminError(name, "不认识的参数 / unknown parameter", known)


def _object(call: Call, *known: str) -> dict[str, Any]:
    """The JSON object of the body; an empty body is an empty object."""
    if not call.body.strip():
        return {}
    if not isinstance(call.json, dict):
        raise AdminError("body", "必须是 JSON 对象 / must be a JSON object")
    _only(call.json, *known)
    return call.json
