"""Stands before every route: who asks is told by the bearer token, what they may by its roles. Brands come later.

A brand is known only once the request has been read, so `Granted` travels on to the desk and to the readings.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard, Scope

from services.publisher.access.roles import Granted, Role, well_formed
from services.publisher.access.token_store import TokensError, TokensFile
from services.publisher.api.problems import not_authenticated, role_missing, unavailable
from services.runtime.logging import get_logger

NEEDS = "needs"
_GRANTED = "tongbo.granted"
_RETRY_S = 30

log = get_logger(__name__)


def needs(*any_of: Role) -> dict[str, Any]:
    """What a route is marked with: one of these roles is enough."""
    return {NEEDS: any_of}


def gate(tokens: TokensFile) -> Guard:
    """Asked before anything of the body is read; a function, because Litestar copies what it is given deeply."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Raises DeniedError (401, 403), or RefusedError (503) where nobody can be told apart."""
        granted = _recognised(tokens, connection.headers.get("authorization"))
        connection.scope["state"][_GRANTED] = granted
        wanted: tuple[Role, ...] = handler.opt.get(NEEDS, ())
        if wanted and not granted.may(wanted):
            raise role_missing(wanted)

    return guard


def _recognised(tokens: TokensFile, header: str | None) -> Granted:
    if header is None:
        raise not_authenticated("no_token")
    scheme, _, token = header.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not well_formed(token):
        raise not_authenticated("malformed")
    try:
        granted = tokens.granted(token)
    except TokensError as error:
        log.error("tokens_file_unreadable", why=str(error))
        detail = "现在无法核对令牌，请让运维查看发布服务的日志 / tokens cannot be checked now, see the publisher's log"
        raise unavailable("tokens_unreadable", detail, _RETRY_S) from None
    if granted is None:
        raise not_authenticated("unknown_token")
    return granted


def granted_in(scope: Scope) -> Granted | None:
    """What the token of this request allows; None before the gate or where it let nobody in."""
    granted: Granted | None = scope["state"].get(_GRANTED)
    return granted


def granted_to(request: Request[Any, Any, Any]) -> Granted:
    """What the token of this request allows; the gate has put it there."""
    granted: Granted = request.scope["state"][_GRANTED]
    return granted


def holder(request: Request[Any, Any, Any]) -> str | None:
    """The name of the token of this request, None where it has not been recognised."""
    granted = granted_in(request.scope)
    return None if granted is None else granted.to
