"""How commands show times: the operator's zone, Asia/Shanghai unless TONGBO_ZONE names another. Pure but for that."""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.moments import shown
from services.cli.terminal.exits import stopped

DEFAULT_ZONE = "Asia/Shanghai"


def shown_zone() -> ZoneInfo:
    """Ends the command where TONGBO_ZONE names no zone: times in another one would be read wrongly."""
    name = os.environ.get("TONGBO_ZONE") or DEFAULT_ZONE
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise stopped(
            f"TONGBO_ZONE={name!r} 不是时区名，请写如 Asia/Shanghai 或 UTC",
            f"TONGBO_ZONE={name!r} is no time zone: write one such as Asia/Shanghai or UTC",
            code=2,
        ) from None


def local(moment: datetime) -> str:
    """`11-23 12:41:20 +08:00`, in the operator's zone."""
    return shown(moment, shown_zone())


def duration(seconds: float) -> str:
    """`3 秒`, `2 分 5 秒`, `1 小时 4 分`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} 秒" if seconds < 10 else f"{whole} 秒"
    if whole < 3600:
        return f"{whole // 60} 分 {whole % 60} 秒"
    return f"{whole // 3600} 小时 {whole % 3600 // 60} 分"
