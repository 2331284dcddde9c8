"""What several parts of the simulated WeChat share: its time zone and the host of its pictures."""

from __future__ import annotations

from datetime import timedelta, timezone

BEIJING = timezone(timedelta(hours=8))
PICTURE_HOST = "mmbiz.qpic.cn"
