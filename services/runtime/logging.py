"""Logs: one JSON line per event on standard error, real UTF-8, names in English snake_case, secrets masked.

Must never be given a payload or a token; the redaction below is the last net, not a licence.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, TextIO, cast

import orjson

from services.runtime.imports import left_out
from services.runtime.safe_text import safe

with left_out("rich"):  # for coloured tracebacks, which are never shown: 3 MB in each process
    import structlog

_MASK = "***"
_SECRET_NAMES = ("token", "secret", "password", "authorization", "cookie")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_REPEAT_AFTER_S = 60.0
# Their warnings are advice to programmers of the client (a callback took 0.1 s), not news for an operator.
_ADVISERS = ("kafka.net.selector", "kafka.coordinator.consumer")

Logger = structlog.stdlib.BoundLogger


def get_logger(name: str | None = None) -> Logger:
    """A logger; may be taken at import time, it follows the configuration made later."""
    return cast(Logger, structlog.get_logger(**({"module": name} if name else {})))


def configure_logging(service: str, instance: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up the logs of this process; called once, by run_service."""
    target = stream or sys.stderr
    number = _LEVELS[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Identity(service, instance),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_ToStructlog())
    root.setLevel(logging.WARNING)
    for library in _ADVISERS:
        logging.getLogger(library).setLevel(logging.ERROR)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every field whose name speaks of a secret, also inside mappings."""
    return {key: _redacted(key, value) for key, value in event.items()}


@lru_cache(maxsize=10_000)
def _speaks_of_a_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_NAMES)


def _redacted(key: str, value: Any) -> Any:
    if _speaks_of_a_secret(key) and value is not None and not isinstance(value, bool):
        return _MASK
    if isinstance(value, Mapping):
        return {str(name): _redacted(str(name), inner) for name, inner in value.items()}
    return value


def _to_json(event: Mapping[str, Any], **_: Any) -> str:
    """One line that cannot steer a terminal; a text that no encoder takes (a lone surrogate) is shown, not lost."""
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:
        line = json.dumps(event, default=str)
    return safe(line)


class _Identity:
    """Adds which service and which instance of it speaks."""

    def __init__(self, service: str, instance: str) -> None:
        self._service, self._instance = service, instance

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"], event["instance"] = self._service, self._instance
        return event


class _ToStructlog(logging.Handler):
    """Carries library logs over; the same sentence of a library at most once a minute, with the number left out.

    A client without its broker repeats itself many times a second, which would bury what matters.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        suppressed = self._admitted((record.name, str(record.msg).split("%", 1)[0][:60]))
        if suppressed is None:
            return
        fields: dict[str, Any] = {"library": record.name, "message": record.getMessage()}
        if suppressed:
            fields["suppressed"] = suppressed
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        logger = get_logger()
        (logger.error if record.levelno >= logging.ERROR else logger.warning)("library_log", **fields)

    def _admitted(self, key: tuple[str, str]) -> int | None:
        with self._guard:
            last, left_out = self._seen.get(key, (-_REPEAT_AFTER_S, 0))
            if time.monotonic() - last < _REPEAT_AFTER_S:
                self._seen[key] = (last, left_out + 1)
                return None
            if len(self._seen) > 1_000:
                self._seen.clear()
            self._seen[key] = (time.monotonic(), 0)
            return left_out
