"""Follows `platform-callback` on a thread: the platforms' verified calls, for this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from schemas.codec import DecodeError, decoder
from schemas.internal.callback import PlatformCallback
from services.runtime.kafka.consumer import Start
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.reader import Tail
from services.runtime.logging import get_logger
from services.runtime.settings import KafkaSettings

CALLBACK_TOPIC = "platform-callback"
AGAIN_AFTER_S = 1.0
POLL_S = 1.0

Told = Callable[[PlatformCallback, datetime], None]

log = get_logger(__name__)
_decode = decoder(CALLBACK_TOPIC)


class CallbackFollower:
    """tell: each is given every callback from `start` on, with the time of its record, on the follower's thread.

    A reader that fails begins anew at `start`: its receiver must cope with repeats and with a missing call.
    """

    def __init__(
        self, settings: KafkaSettings, tell: Sequence[Told], stop: threading.Event, start: Start = "earliest"
    ) -> None:
        self._settings, self._tell, self._stop, self._from = settings, tuple(tell), stop, start
        self._caught_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callback-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ready(self) -> bool:
        """Whether everything that was there at the start has been told."""
        return self._caught_up.is_set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except KafkaProblem as problem:
                log.warning("callbacks_followed_anew", cause=repr(problem))
            except Exception:  # the thread's own border: without it callbacks would stay unread unseen
                log.exception("callback_follower_bug")
            self._stop.wait(AGAIN_AFTER_S)

    def _follow(self) -> None:
        tail = Tail(self._settings, [CALLBACK_TOPIC], self._from, stop=self._stop)
        try:
            while not self._stop.is_set():
                for record in tail.poll(POLL_S):
                    self._taken(record.value, record.timestamp)
                if not self._caught_up.is_set() and tail.caught_up():
                    self._caught_up.set()
        finally:
            tail.close()

    def _taken(self, value: bytes | None, at: datetime) -> None:
        try:
            callback = _decode(value or b"")
        except DecodeError as error:
            log.error("callback_unreadable", error=str(error))
            return
        for tell in self._tell:
            tell(callback, at)
