"""Wires the publisher: log follower, desk and HTTP application."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException

from services.adapter.accounts import Accounts
from services.adapter.contract import Adapter
from services.publisher import api, failures
from services.publisher.access import Granted
from services.publisher.canaries import Canaries
from services.publisher.commanding import CommandDesk
from services.publisher.desk import Desk
from services.publisher.doubts import Doubts, reader_of
from services.publisher.follower import LogFollower
from services.publisher.gate import gate, granted_to
from services.publisher.media import MediaFolder
from services.publisher.openapi import openapi_config
from services.publisher.orders import Orders
from services.publisher.placements import Placements
from services.publisher.problems import DeniedError, RefusedError, unavailable
from services.publisher.reading import Reading
from services.publisher.register import Register
from services.publisher.settings import PublisherSettings
from services.publisher.tokens_file import TokensFile
from services.publisher.writer import LogWriter
from services.runtime.clock import Clock
from services.runtime.health import Health


@dataclass(frozen=True, slots=True)
class Parts:
    """The working parts behind the application."""

    desk: Desk
    commands: CommandDesk
    reading: Callable[[Granted], Reading]
    tokens: TokensFile
    media: MediaFolder
    follower: LogFollower
    writer: LogWriter


def assemble(
    settings: PublisherSettings,
    accounts: Accounts,
    adapter: Callable[[str], Adapter],
    clock: Clock,
    stop: threading.Event,
    health: Health,
) -> Parts:
    register = Register()
    placements = Placements(register)
    orders = Orders()
    writer = LogWriter(settings.kafka, settings.acknowledge_within_s)
    canaries = Canaries(writer, settings.instance)
    follower = LogFollower(settings.kafka, register, placements, canaries, orders, stop, health)
    media = MediaFolder(settings.media_dir)
    doubts = Doubts(register, clock, reader_of(settings.kafka))
    desk = Desk(register, follower, writer, media, accounts, adapter, clock, doubts)
    commands = CommandDesk(orders, placements, follower, writer, adapter, clock)

    def reading(granted: Granted) -> Reading:
        return Reading(register, placements, clock, granted)

    return Parts(desk, commands, reading, TokensFile(settings.state_dir), media, follower, writer)


def application(parts: Parts, settings: PublisherSettings) -> Litestar:
    """The HTTP application; refuses work with 503 until the log has been read."""

    def ready_or_refused(_: Request[Any, Any, Any]) -> None:
        if not parts.follower.ready:
            detail = "正在从日志恢复状态，请稍后重试 / still reading the log, try again shortly"
            raise unavailable("not_ready", detail, 1)

    def reading_of(granted: NamedDependency[Granted]) -> Reading:
        return parts.reading(granted)

    return Litestar(
        route_handlers=[_health(parts), api.routes(settings.max_media_bytes, gate(parts.tokens), ready_or_refused)],
        dependencies={
            "desk": Provide(lambda: parts.desk, sync_to_thread=False),
            "commands": Provide(lambda: parts.commands, sync_to_thread=False),
            "granted": Provide(granted_to, sync_to_thread=False),
            "reading": Provide(reading_of, sync_to_thread=False),
            "media": Provide(lambda: parts.media, sync_to_thread=False),
        },
        exception_handlers={
            DeniedError: failures.denied,
            RefusedError: failures.refused,
            HTTPException: failures.http_error,
            Exception: failures.crashed,
        },
        request_max_body_size=settings.max_body_bytes,
        openapi_config=openapi_config(),
        logging_config=None,
    )


def _health(parts: Parts) -> Any:
    @get("/health/ready", include_in_schema=False, sync_to_thread=False)
    def ready() -> Response[dict[str, bool]]:
        healthy = parts.follower.healthy
        return Response({"ready": healthy}, status_code=200 if healthy else 503)

    return ready
