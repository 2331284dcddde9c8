"""Answers and refusals of the simulated WeChat: HTTP 200 with a code, its words and a trace id (B8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.simulator.contract import Call, SimReply, World

WORDS = {
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40004: "invalid media type",
    40005: "invalid file type",
    40007: "invalid media_id",
    40008: "invalid message type",
    40009: "invalid image size",
    40013: "invalid appid",
    40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
    40125: "invalid appsecret",
    41001: "access_token missing",
    41005: "media data missing",
    41039: "invalid content_source_url",
    42001: "access_token expired",
    43002: "require POST method",
    44001: "empty media data",
    44004: "empty content",
    45002: "content size out of limit",
    45003: "title size out of limit",
    45004: "description size out of limit",
    45008: "article size out of limit",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    45028: "has no masssend quota",
    45065: "clientmsgid exist",
    45066: "same clientmsgid retry too fast",
    45067: "clientmsgid size out of limit",
    45110: "author size out of limit",
    47001: "data format error",
    48001: "api unauthorized",
    53600: "invalid article id",
    61500: "date format error",
    61501: "date range error",
    61503: "data not ready",
    88000: "without comment privilege",
    76021: "cgi_path not found",
    88001: "msg_data is not exists",
    88005: "already reply",
    88007: "content is empty or over limit",
    88008: "comment is not exists",
    88010: "count range error",
    89504: "waiting for administrator confirm",
    89505: "need administrator confirm",
}


class WechatRefusedError(Exception):
    """Raised inside a handler to answer with a code; `beside` stands in the body with it."""

    def __init__(self, code: int, beside: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.beside = dict(beside or {})


def refusal(code: int, trace: str, beside: Mapping[str, Any]) -> SimReply:
    """HTTP 200 with a code, its words and a trace id (section "error models", B8)."""
    return SimReply({"errcode": code, "errmsg": f"{WORDS[code]} rid: {trace}", **beside})


def done(**fields: Any) -> SimReply:
    return SimReply({"errcode": 0, "errmsg": "ok", **fields})


def _trace(world: World) -> str:
    return f"{int(world.now().timestamp()):08x}-{world.rng.getrandbits(32):08x}-{world.rng.getrandbits(32):08x}"


def answering(handle: Callable[[World, Call], SimReply]) -> Callable[[World, Call], SimReply]:
    """A handler that may refuse."""

    def handler(world: World, call: Call) -> SimReply:
        try:
            return handle(world, call)
        except WechatRefusedError as refused:
            return refusal(refused.code, _trace(world), refused.beside)

    return handler


def endpoint_name(path: str) -> str:
    """How faults call an endpoint."""
    return path.removeprefix("/").removeprefix("cgi-bin/")


def json_body(call: Call) -> dict[str, Any]:
    if not isinstance(call.json, dict):
        raise WechatRefusedError(47001)
    return call.json


def number_in(value: object, code: int) -> int:
    """Numbers are taken as numbers and as text (divergence 11)."""
    try:
        return int(str(value))
    except ValueError:
        raise WechatRefusedError(code) from None
