"""What operators have commanded, as the worker needs to know it: which brake holds a placement, which commands wait.

A view of the operator-command topic in memory, fed in order, safe to read from the threads that make the calls. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from threading import Lock

from msgspec.structs import replace

from schemas.events.commands import BrakeReleased, BrakeSet, CancelRequested, OperatorCommand, PlacementCommand
from schemas.events.placement import PlacementRecord

MOST_COMMANDS = 64  # names of commands that a record keeps; older ones are said by an offset


class CommandView:
    """All brakes and all commands about single placements, since the topic began."""

    def __init__(self) -> None:
        self._brakes: dict[str, BrakeSet] = {}
        self._released: set[str] = set()
        self._of_placement: dict[str, dict[str, tuple[int, PlacementCommand]]] = defaultdict(dict)
        self._new: list[str] = []
        self._brake_version = 0
        self._lock = Lock()

    @property
    def brake_version(self) -> int:
        """How often brakes were set or released; another number is a reason to look again at what is parked."""
        return self._brake_version

    def apply(self, command: OperatorCommand, offset: int) -> None:
        """The next command of the topic, with its offset there. The same command twice is one command."""
        with self._lock:
            match command:
                case BrakeSet():
                    self._brakes.setdefault(command.command_id, command)
                    self._brake_version += 1
                case BrakeReleased():
                    self._released.add(command.brake_id)
                    self._brake_version += 1
                case PlacementCommand():
                    if command.command_id not in self._of_placement[command.placement_id]:
                        self._of_placement[command.placement_id][command.command_id] = (offset, command)
                        self._new.append(command.placement_id)

    def brake_on(self, record: PlacementRecord, now: datetime) -> BrakeSet | None:
        """A brake that holds this placement now, None where none does. The oldest where several do."""
        for brake in self._on(now):
            covers = brake.scope.covers
            if brake.brand_id == record.brand_id and covers(
                campaign_id=record.campaign_id, platform=record.platform, account=record.account
            ):
                return brake
        return None

    def next_end(self, now: datetime) -> datetime | None:
        """When the next brake ends by itself."""
        return min((brake.until for brake in self._on(now) if brake.until is not None), default=None)

    def cancelled(self, record: PlacementRecord) -> bool:
        """Whether a cancel of this placement waits to be carried out."""
        return any(isinstance(command, CancelRequested) for command in self.pending_for(record))

    def _on(self, now: datetime) -> list[BrakeSet]:
        with self._lock:
            return [
                brake
                for brake in self._brakes.values()
                if brake.command_id not in self._released and (brake.until is None or brake.until > now)
            ]

    def pending_for(self, record: PlacementRecord) -> list[PlacementCommand]:
        """Commands about this placement that its record does not know yet, in the order they were given."""
        return [command for _, command in self._pending(record)]

    def compacted(self, record: PlacementRecord) -> PlacementRecord:
        """The record without the names of commands that an offset says as well, once it holds many of them."""
        if len(record.commands) <= MOST_COMMANDS:
            return record
        pending = self._pending(record)
        with self._lock:
            known = dict(self._of_placement.get(record.placement_id, {}))
        first_open = pending[0][0] if pending else max((offset for offset, _ in known.values()), default=-1) + 1
        done = {command_id for command_id, (offset, _) in known.items() if offset < first_open}
        left = tuple(one for one in record.commands if one not in done)[-MOST_COMMANDS:]
        return replace(record, commands=left, commands_to=max(record.commands_to, first_open))

    def take_new(self) -> list[str]:
        """Placements that commands have come for since the last call."""
        with self._lock:
            new, self._new = self._new, []
            return new

    def _pending(self, record: PlacementRecord) -> list[tuple[int, PlacementCommand]]:
        with self._lock:
            known = self._of_placement.get(record.placement_id)
            if not known:
                return []
            done = frozenset(record.commands)
            return [
                (offset, command)
                for offset, command in known.values()
                if offset >= record.commands_to and command.command_id not in done
            ]
