"""How a time is written in the words of records and on screens. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")


def shown(moment: datetime, zone: tzinfo = BEIJING) -> str:
    """How people read a time, the same everywhere: `11-23 12:41:20 +08:00`. Without its zone it would mislead."""
    here = moment.astimezone(zone)
    distance = f"{here:%z}"
    return f"{here:%m-%d %H:%M:%S} {distance[:3]}:{distance[3:5]}"
