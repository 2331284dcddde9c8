"""Options of a simulated account that set limits, and the calls of the present hour."""

from __future__ import annotations

from datetime import datetime
from typing import overload

from services.simulator.contract import SimAccount, World

HITS = 1_000_000  # calls an hour where the account's options set no limit: enough for any test


def hits_this_hour(world: World, account: SimAccount) -> int:
    """Calls of this hour so far."""
    hour, hits = account.state.get("hits", (None, 0))
    return int(hits) if hour == hour_began(world) else 0


def hour_began(world: World) -> datetime:
    """Limits begin anew on the hour [memory]."""
    return world.now().replace(minute=0, second=0, microsecond=0)


@overload
def option_value(account: SimAccount, name: str, otherwise: int) -> int: ...


@overload
def option_value(account: SimAccount, name: str) -> int | None: ...


def option_value(account: SimAccount, name: str, otherwise: int | None = None) -> int | None:
    said = account.options.get(name)
    return otherwise if said is None else int(said)
