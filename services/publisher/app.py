"""Wires the publisher: log follower, desk and HTTP application."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException

from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.publisher.access.roles import Granted
from services.publisher.access.token_store import TokensFile
from services.publisher.api.problems import DeniedError, RequestRefusedError, unavailable
from services.publisher.desks.commands import CommandHandler
from services.publisher.desks.contents import ContentHandler
from services.publisher.desks.queries import Queries
from services.publisher.desks.unconfirmed import UnconfirmedWrites, reader_of
from services.publisher.http import problem_responses, routes
from services.publisher.http.admission import Admission
from services.publisher.http.bearer import gate, granted_to
from services.publisher.http.openapi import openapi_config
from services.publisher.http.turns import BrandTurns, Turns
from services.publisher.log.accepted import AcceptedLog
from services.publisher.log.canaries import CanaryRelay
from services.publisher.log.commands import CommandLog
from services.publisher.log.follower import LogFollower
from services.publisher.log.placements import Placements
from services.publisher.log.writer import LogWriter
from services.publisher.media.uploads import UploadStore
from services.publisher.settings import PublisherSettings
from services.runtime.clock import Clock
from services.runtime.health import Health
from services.runtime.http.patience import TooSlowError


@dataclass(frozen=True, slots=True)
class Parts:
    """The working parts behind the application."""

    desk: ContentHandler
    commands: CommandHandler
    reading: Callable[[Granted], Queries]
    tokens: TokensFile
    media: UploadStore
    follower: LogFollower
    canaries: CanaryRelay
    writer: LogWriter


def assemble(
    settings: PublisherSettings,
    accounts: Accounts,
    adapter: Callable[[str], Adapter],
    clock: Clock,
    stop: threading.Event,
    health: Health,
) -> Parts:
    register = AcceptedLog()
    placements = Placements(register)
    command_log = CommandLog()
    writer = LogWriter(settings.kafka, settings.acknowledge_within_s)
    canaries = CanaryRelay(LogWriter(settings.kafka, settings.acknowledge_within_s), settings.instance)
    follower = LogFollower(settings.kafka, register, placements, canaries, command_log, stop, health)
    media = UploadStore(settings.media_dir)
    doubts = UnconfirmedWrites(register, clock, reader_of(settings.kafka))
    desk = ContentHandler(register, follower, writer, media, accounts, adapter, clock, doubts)
    commands = CommandHandler(command_log, placements, follower, writer, adapter, clock)

    def reading(granted: Granted) -> Queries:
        return Queries(register, placements, clock, granted)

    return Parts(desk, commands, reading, TokensFile(settings.state_dir), media, follower, canaries, writer)


def application(parts: Parts, settings: PublisherSettings) -> Litestar:
    """The HTTP application; refuses work with 503 until the log has been read."""

    async def ready_or_refused(_: Request[Any, Any, Any]) -> None:
        """A coroutine, because a function would wait for one of the threads that check contents."""
        if not parts.follower.ready:
            detail = "正在从日志恢复状态，请稍后重试 / still reading the log, try again shortly"
            raise unavailable("not_ready", detail, 1)
        if parts.follower.stuck:
            detail = "读取日志出错，正在重试，状态可能已过时 / reading the log fails, what would be shown may be old"
            raise unavailable("log_not_followed", detail, 5)

    turns = Turns()

    def turns_of(granted: NamedDependency[Granted]) -> BrandTurns:
        return turns.of(granted)

    def reading_of(granted: NamedDependency[Granted]) -> Queries:
        return parts.reading(granted)

    return Litestar(
        route_handlers=[_health(parts), routes.routes(settings.max_media_bytes, gate(parts.tokens), ready_or_refused)],
        dependencies={
            "desk": Provide(lambda: parts.desk, sync_to_thread=False),
            "commands": Provide(lambda: parts.commands, sync_to_thread=False),
            "granted": Provide(granted_to, sync_to_thread=False),
            "reading": Provide(reading_of, sync_to_thread=False),
            "turns": Provide(turns_of, sync_to_thread=False),
            "media": Provide(lambda: parts.media, sync_to_thread=False),
        },
        exception_handlers={
            DeniedError: problem_responses.denied,
            RequestRefusedError: problem_responses.refused,
            TooSlowError: problem_responses.too_slow,
            HTTPException: problem_responses.http_error,
            Exception: problem_responses.crashed,
        },
        middleware=[Admission(turns)],
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
