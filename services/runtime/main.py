"""How every service process begins and ends: settings, logs, health, signals, exit codes.

Exit codes: 0 clean, 1 crash, 2 wrong settings or a cluster that does not let us in.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry

from services.runtime import metrics
from services.runtime.clock import Clock, clock_from
from services.runtime.health import Health
from services.runtime.http.health_server import HealthServer
from services.runtime.kafka.errors import AccessRefused
from services.runtime.logging import Logger, configure_logging, get_logger
from services.runtime.safe_text import safe
from services.runtime.settings import (
    ServiceSettings,
    SettingProblem,
    SettingRow,
    SettingsError,
    describe,
    describe_type,
    read_settings,
)

CLEAN, CRASHED, WRONG_SETTINGS = 0, 1, 2

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True)
class ServiceContext(Generic[S]):
    """What a service's main function is given."""

    name: str
    settings: S
    clock: Clock
    stop: threading.Event
    health: Health
    log: Logger
    metrics: CollectorRegistry
    http_port: int


def run_service(
    name: str,
    settings_cls: type[S],
    main: Callable[[ServiceContext[S]], int | None],
    *,
    arguments: Sequence[str] | None = None,
    env: Mapping[str, str] = os.environ,
) -> int:
    """Run a service until it ends or is told to stop; returns the exit code for `sys.exit`."""
    options = _parser(name, settings_cls).parse_args(arguments)
    try:
        settings = read_settings(settings_cls, env)
        clock = _clock(settings)
    except SettingsError as error:
        print(safe(str(error)), file=sys.stderr)
        return WRONG_SETTINGS
    if options.check_config:
        print(safe(_table(describe(settings))))
        return CLEAN
    configure_logging(name, settings.instance, settings.log_level)
    log, stop, health = get_logger(), threading.Event(), Health(settings.stale_after_s)
    try:
        server = HealthServer(name, health, settings.http_port, settings.http_host)
    except OSError as error:
        problem = SettingProblem(
            "TONGBO_HTTP_PORT",
            f"地址 {settings.http_host}:{settings.http_port} 不可用 / address not available ({error.strerror})",
            "换一个端口，或填 0 使用任意空闲端口；地址由 TONGBO_HTTP_HOST 指定"
            " / use another port, or 0 for any free one; TONGBO_HTTP_HOST names the address",
        )
        print(safe(str(SettingsError([problem]))), file=sys.stderr)
        return WRONG_SETTINGS
    context = ServiceContext(name, settings, clock, stop, health, log, metrics.registry(), server.port)
    try:
        with _StopOnSignals(stop, log):
            return _run(context, main)
    finally:
        server.close()


def _run(context: ServiceContext[S], main: Callable[[ServiceContext[S]], int | None]) -> int:
    context.log.info("service_started", http_port=context.http_port, pid=os.getpid())
    try:
        code = main(context)
    except SettingsError as error:  # what only shows once files are opened, such as an accounts file
        print(safe(str(error)), file=sys.stderr)
        return WRONG_SETTINGS
    except AccessRefused as error:  # as wrong as a wrong setting, and only a person can put it right
        context.log.error("kafka_access_refused", reason=str(error))
        print(safe(str(error)), file=sys.stderr)
        return WRONG_SETTINGS
    except KeyboardInterrupt:
        code = CLEAN
    except Exception:  # the outermost place: log it as one line and end with the code supervisors restart on
        context.log.exception("service_crashed")
        return CRASHED
    context.log.info("service_stopped", code=code or CLEAN)
    return code or CLEAN


def _clock(settings: ServiceSettings) -> Clock:
    try:
        return clock_from(settings.clock)
    except ValueError as error:
        raise SettingsError([SettingProblem("TONGBO_CLOCK", "无效 / not valid", str(error))]) from error


class _StopOnSignals:
    """Sets `stop` on SIGTERM and SIGINT; a second signal ends the process at once.

    The handler only writes to a pipe and a thread does the rest: a handler interrupts the main thread anywhere, also
    where it holds the very lock that setting an event or writing a log line needs.
    """

    def __init__(self, stop: threading.Event, log: Logger) -> None:
        self._stop, self._log = stop, log
        self._before: dict[int, object] = {}
        self._reading, self._writing = os.pipe()

    def __enter__(self) -> None:
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._received)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned itself
        os.close(self._writing)

    def _received(self, number: int, _frame: object) -> None:
        os.write(self._writing, bytes((number,)))

    def _watch(self) -> None:
        while received := os.read(self._reading, 1):
            if self._stop.is_set():
                os._exit(128 + received[0])
            self._log.info("service_stopping", signal=signal.Signals(received[0]).name)
            self._stop.set()
        os.close(self._reading)


def _parser(name: str, settings_cls: type[ServiceSettings]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=name,
        description=f"同播服务 {name}，设置来自环境变量 / tongbo service {name}, configured by environment variables",
        epilog=_table(describe_type(settings_cls)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check-config", action="store_true", help="检查并列出设置后退出（密钥不显示）/ check, list and exit"
    )
    return parser


def _table(rows: Sequence[SettingRow]) -> str:
    lines = []
    for row in rows:
        if row.value:
            lines.append(f"{row.variable} = {row.value}")
        else:
            lines.append(f"{row.variable}  默认 / default: {row.default}")
        lines.append(f"    {row.meaning}")
    return "\n".join(lines)
