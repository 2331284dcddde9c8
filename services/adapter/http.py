"""One HTTP exchange with a platform, with the only distinction that matters: did the request leave us or not.

Uses httpx for all platform calls; knows no platform. A call is one attempt: nothing is retried here.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx
import orjson
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from services.adapter.errors import NoAnswerError, NotSentError, PlatformError
from services.adapter.leaving import ask_last, too_late
from services.adapter.sharing import Budget, Unlimited

IDLE_S = 5.0  # platforms close idle connections; one that has just been closed would lose a request

NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


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
        self._lanes = _Lanes()
        self._client = httpx.Client(  # builds the requests
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0), pool=timeout_s),
            headers={"User-Agent": "tongbo"},
            verify=_trusted(),
            trust_env=False,
        )

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
        arguments: dict[str, Any] = {"params": query, "data": form, "files": files, "headers": dict(headers or {})}
        if json is not None:
            arguments["content"] = orjson.dumps(json)
            arguments["headers"].setdefault("Content-Type", "application/json; charset=utf-8")
        if timeout_s is not None:
            arguments["timeout"] = timeout_s
        timeout = arguments.pop("timeout", httpx.USE_CLIENT_DEFAULT)
        if wait_s := self._budget.reserve(path, (timeout_s or self._timeout_s) / 2):
            time.sleep(wait_s)
            timeout = (timeout_s or self._timeout_s) - wait_s
        request = self._client.build_request(method, path, timeout=timeout, **arguments)
        request.stream = _InTime(request.stream)
        ask_last()
        if too_late():
            raise NotSentError("请求没有及时发出，已放弃 / the request did not leave in time")
        try:
            response = self._lanes.send(request)
        except NEVER_SENT as error:
            raise NotSentError(f"请求未发出 / never sent ({type(error).__name__})") from error
        except httpx.RequestError as error:  # also an answer that cannot be unpacked
            raise NoAnswerError(f"请求已发出但没有答复 / sent, no answer ({type(error).__name__})") from error
        return _answer(response)

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
        self._client.close()
        self._lanes.close()


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """Whom we believe to be a platform; reading all authorities takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=False)


class _Lanes:
    """A connection for each call under way, used again by the next one; as many as there are calls at the same time.

    One pool for all would look at each idle connection, with a call of the system each, before every request and after
    it: with 64 threads that was more work than the requests themselves. No redirect is followed, no cookie kept.
    """

    def __init__(self) -> None:
        self._idle: deque[tuple[float, httpx.HTTPTransport]] = deque()

    def send(self, request: httpx.Request) -> httpx.Response:
        """One attempt; the answer has been read."""
        lane = self._taken()
        try:
            response = lane.handle_request(request)
            response.request = request
            response.read()
        finally:
            self._idle.append((time.monotonic(), lane))
            self._prune()
        return response

    def _taken(self) -> httpx.HTTPTransport:
        try:
            return self._idle.pop()[1]
        except IndexError:
            limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)
            return httpx.HTTPTransport(verify=_trusted(), trust_env=False, limits=limits)

    def _prune(self) -> None:
        """The last used is taken first, so those at the other end are the ones that nobody needs any more."""
        oldest = time.monotonic() - 2 * IDLE_S
        with suppress(IndexError):  # another thread was faster
            while self._idle[0][0] < oldest:
                self._idle.popleft()[1].close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()


class _InTime(httpx.SyncByteStream):
    """A request's body, of which nothing leaves late: a process may be frozen at any point and go on much later."""

    def __init__(self, body: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        assert isinstance(body, httpx.SyncByteStream)
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._body:
            if too_late():
                raise httpx.WriteTimeout("the request did not leave in time")
            yield piece

    def close(self) -> None:
        self._body.close()


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
