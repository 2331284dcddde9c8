"""The class of each message version exists once, however many threads need it first."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from kafka.protocol import consumer, metadata, producer
from kafka.protocol.api_header import ResponseClassRegistry
from kafka.protocol.api_message import ApiMessage, VersionSubscriptable

from services.runtime.kafka import message_classes

_THREADS = 8


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def _messages() -> list[type[ApiMessage]]:
    found = (getattr(module, name) for module in (consumer, metadata, producer) for name in module.__all__)
    return [one for one in found if isinstance(one, VersionSubscriptable) and one.valid_versions]


def _made_twice(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many versions gave two threads two classes; for the time of the test, all are made anew."""
    twice = 0
    for message in _messages():
        monkeypatch.setattr(message, "_VERSIONS", {})
        for version in range(message.max_version + 1):
            at_once, made = threading.Barrier(_THREADS), list[type]()

            def take(
                message: type[ApiMessage] = message,
                version: int = version,
                at_once: threading.Barrier = at_once,
                made: list[type] = made,
            ) -> None:
                at_once.wait()
                made.append(message[version])

            threads = [threading.Thread(target=take) for _ in range(_THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            twice += len(set(made)) > 1
    return twice


@pytest.mark.usefixtures("hasty")
def test_no_message_class_is_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    registered = dict(ResponseClassRegistry._response_class_registry)
    monkeypatch.setattr(ResponseClassRegistry, "_response_class_registry", registered)
    monkeypatch.setattr(VersionSubscriptable, "__getitem__", message_classes._look_up)
    without = _made_twice(monkeypatch)
    message_classes.make_each_class_once()
    assert _made_twice(monkeypatch) == 0
    assert without, "the client makes them once by itself: the lock is not needed any more"
