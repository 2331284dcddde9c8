"""How commands show times: the operator's zone, Asia/Shanghai unless TONGBO_ZONE names another. Pure but for that."""

from __future__ import annotations

import os
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE = "Asia/Shanghai"


def shown_zone() -> ZoneInfo:
    try:
        return ZoneInfo(os.environ.get("TONGBO_ZONE") or DEFAULT_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(DEFAULT_ZONE)


def local(moment: datetime) -> str:
    """`11-23 12:41:20`."""
    return moment.astimezone(shown_zone()).strftime("%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """`3 秒`, `2 分 5 秒`, `1 小时 4 分`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} 秒" if seconds < 10 else f"{whole} 秒"
    if whole < 3600:
        return f"{whole // 60} 分 {whole % 60} 秒"
    return f"{whole // 3600} 小时 {whole % 3600 // 60} 分"
