"""The receiver of callbacks put together: address, verdicts, memory, writer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime

from schemas.internal.callback import PlatformCallback
from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.adapter.wire.callback_follower import CallbackFollower
from services.feedback_collector.callbacks.desk import CallbackHandler
from services.feedback_collector.callbacks.listener import CallbackApp
from services.feedback_collector.callbacks.log_writer import CallbackWriter
from services.feedback_collector.callbacks.memory import Memory
from services.feedback_collector.callbacks.verdicts import Verdicts
from services.feedback_collector.records.pseudonyms import Pseudonyms
from services.feedback_collector.settings import CollectorSettings
from services.runtime.clock import Clock
from services.runtime.http.server import HttpServer
from services.runtime.logging import get_logger
from services.runtime.settings import SettingProblem, SettingsError

Told = Callable[[PlatformCallback, datetime], None]

log = get_logger(__name__)


class CallbackReceiver:
    """Listens from `start` to `close`. told: who is given every callback on the topic, this process's or another's.

    stop: set where nobody listens any more although nobody closed it; `close` then raises.
    """

    def __init__(
        self,
        settings: CollectorSettings,
        adapters: Mapping[str, Adapter],
        accounts: Accounts,
        pseudonyms: Pseudonyms,
        clock: Clock,
        told: Told,
        stop: threading.Event,
    ) -> None:
        self._closing = threading.Event()
        memory = Memory()
        self._writer = CallbackWriter(settings.kafka, f"callbacks-{settings.instance}", settings.acknowledge_within_s)
        desk = CallbackHandler(Verdicts(adapters, accounts, pseudonyms), memory, self._writer, clock)

        def remembered(callback: PlatformCallback, at: datetime) -> None:
            memory.note(callback.identity, callback.proof, at)

        self._follower = CallbackFollower(settings.kafka, (remembered, told), self._closing)
        self._server = _server(CallbackApp(desk, self._follower.ready), settings, stop)

    def start(self) -> None:
        self._follower.start()
        self._server.start()
        log.info("callbacks_listening", url=self._server.url)

    def close(self) -> None:
        self._closing.set()
        self._server.close()
        self._follower.join(5.0)
        self._writer.close()
        if self._server.failed:
            raise RuntimeError("the callback server ended by itself")


def _server(app: CallbackApp, settings: CollectorSettings, stop: threading.Event) -> HttpServer:
    try:
        return HttpServer("callbacks", app, settings.callback_host, settings.callback_port, stop, lifespan=False)
    except OSError as error:
        wrong = f"地址不可用 / address not available: {error.strerror}"
        remedy = "换一个端口，或填 0 使用任意空闲端口 / use another port, or 0 for any free one"
        raise SettingsError([SettingProblem("TONGBO_CALLBACK_PORT", wrong, remedy)]) from error
