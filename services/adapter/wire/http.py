"""One HTTP exchange with a platform, with the only distinction that matters: did the request leave us or not.

Uses httpx for all platform calls; knows no platform. A call is one attempt: nothing is retried here.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from services.adapter.contract.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.contract.shared import Budget, Unlimited
from services.adapter.wire.connections import Connections
from services.adapter.wire.send_guard import check_send_allowed, past_send_deadline
from services.runtime.imports import left_out

with left_out("rich"):  # for its command line, which nobody uses
    import httpx

_HEADERS = httpx.Headers(
    {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive", "User-Agent": "tongbo"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A platform's answer. body: parsed JSON, or None where it is none."""

    status: int
    body: Any
    raw: bytes


class PlatformHttp:
    """Connections to one platform for one account, within its call budget. Threads may share it."""

    def __init__(self, base_url: str, timeout_s: float, *, budget: Budget | None = None) -> None:
        self._timeout_s, self._budget = timeout_s, budget or Unlimited()
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0))
        base = httpx.URL(base_url)
        self._connections = Connections(base.raw_scheme, base.raw_host, base.port, _trusted())
        # a fifth of a call's work was to parse the same few addresses again and again
        self._address = lru_cache(maxsize=256)(lambda path: httpx.URL(f"{base_url.rstrip('/')}/{path.lstrip('/')}"))

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        files: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """One attempt. `json` is sent as real UTF-8, never as \\uXXXX; `files` as httpx takes them (streams allowed).

        Raises NotSentError or NoAnswerError; HTTP 5xx without a JSON body counts as no answer. A request that operators
        hold back at the last moment, or whose time to leave is over, is not sent; one that is being sent when its time
        ends is broken off, so that no platform can act on it. Where the budget is used up it waits, half of the
        time-out at most, and raises PlatformError(quota) for a longer wait.
        """
        body: dict[str, Any] = {"data": form, "files": files}
        own = httpx.Headers(_HEADERS)
        own.update(headers)
        if json is not None:
            body["content"] = orjson.dumps(json)
            own.setdefault("Content-Type", "application/json; charset=utf-8")
        timeout = self._timeout if timeout_s is None else httpx.Timeout(timeout_s)
        if wait_s := self._budget.reserve(path, (timeout_s or self._timeout_s) / 2):
            time.sleep(wait_s)
            timeout = httpx.Timeout((timeout_s or self._timeout_s) - wait_s)
        request = httpx.Request(method, self._address(path), params=query, headers=own, **body)
        assert isinstance(request.stream, httpx.SyncByteStream)
        check_send_allowed()
        if past_send_deadline():
            raise NotSentError("请求没有及时发出，已放弃 / the request did not leave in time")
        status, given, raw = self._connections.exchange(
            request.method, request.url.raw_path, request.headers.raw, request.stream, timeout.as_dict()
        )
        try:
            return _answer(httpx.Response(status, headers=given, content=raw))
        except httpx.DecodingError as error:
            raise NoAnswerError(f"请求已发出但没有答复 / sent, no answer ({type(error).__name__})") from error

    def reserve(self, name: str) -> None:
        """A call that has a limit of its own beside that of its path; raises PlatformError(quota, sent="no")."""
        self._budget.reserve(name, 0)

    @contextmanager
    def learning(self, path: str) -> Iterator[None]:
        """Around a call and the reading of its answer: a refusal for quota keeps later calls away from the path."""
        try:
            yield
        except PlatformError as error:
            self._budget.learn(path, error)
            raise

    def close(self) -> None:
        self._connections.close()


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Whom we believe to be a platform; reading all authorities takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


def _answer(response: httpx.Response) -> Answer:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if body is None and (response.status_code >= 500 or not response.content):
        raise NoAnswerError(
            f"平台返回 HTTP {response.status_code}，没有可读的答复 / HTTP {response.status_code}, no body"
        )
    return Answer(response.status_code, body, response.content)


def reading(attempts: int = 3) -> Retrying:
    """Tenacity's retrying for read-only calls: `for attempt in reading(): with attempt: …`. Never for mutating ones."""
    return Retrying(
        retry=retry_if_exception(_worth_repeating),
        stop=stop_after_attempt(attempts),
        wait=_wait,
        reraise=True,
    )


_back_off = wait_exponential_jitter(multiplier=0.2, max=5)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, PlatformError) else None
    return asked if asked is not None else _back_off(state)


def _worth_repeating(error: BaseException) -> bool:
    """A read may be repeated after a broken connection; a refusal with a long wait is the caller's to schedule."""
    if not isinstance(error, PlatformError):
        return False
    short = error.retry_after_s is None or error.retry_after_s <= 2
    return short and (error.retriable or error.sent == "unknown")
