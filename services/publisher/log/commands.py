"""All commands that were given, rebuilt from the `operator-command` log: which brakes are on. Thread-safe."""

from __future__ import annotations

import threading
from datetime import datetime

import msgspec

from schemas.events.commands import BrakeReleased, BrakeSet, Command, OperatorCommand
from services.runtime.kafka.records import Record
from services.runtime.logging import get_logger

TOPIC = "operator-command"
_decode = msgspec.json.Decoder(OperatorCommand).decode

log = get_logger(__name__)


class CommandLog:
    """What the log says was commanded; the first record of a command id holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: dict[str, Command] = {}
        self._brakes: dict[str, BrakeSet] = {}
        self._released: set[str] = set()

    def apply(self, record: Record) -> None:
        try:
            command = _decode(record.value or b"")
        except (msgspec.DecodeError, msgspec.ValidationError):
            log.error("command_undecodable", partition=record.partition, offset=record.offset)
            return
        with self._lock:
            self._commands.setdefault(command.command_id, command)
            if isinstance(command, BrakeSet):
                self._brakes.setdefault(command.command_id, command)
            elif isinstance(command, BrakeReleased):
                self._released.add(command.brake_id)

    def command(self, command_id: str) -> Command | None:
        with self._lock:
            return self._commands.get(command_id)

    def brakes_on(self, now: datetime) -> list[BrakeSet]:
        """Neither released nor over, oldest first."""
        with self._lock:
            return [
                brake
                for brake in self._brakes.values()
                if brake.command_id not in self._released and (brake.until is None or brake.until > now)
            ]
