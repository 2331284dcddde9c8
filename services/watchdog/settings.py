"""The watchdog's settings: how long each kind of silence is borne."""

from __future__ import annotations

from dataclasses import dataclass

from services.runtime.settings import ServiceSettings, setting

# Times of accepted contents are real; only what platforms say happens in the platforms' time (`TONGBO_CLOCK`).


@dataclass(frozen=True, kw_only=True)
class WatchdogSettings(ServiceSettings):
    check_every_s: float = setting(2.0, at_least=0.1, meaning="检查间隔（秒）/ seconds between two checks")
    overdue_after_s: float = setting(
        30.0,
        at_least=0,
        meaning="到期多少秒后没有结果即报逾期 / seconds past its time until a placement is overdue",
    )
    stuck_after_s: float = setting(
        60.0,
        at_least=1,
        meaning="看门狗自己卡住多少秒后退出重启 / seconds after which a stuck watchdog ends, to be restarted",
    )
    canary_every_s: float = setting(60.0, at_least=0.5, meaning="探测记录的间隔（秒）/ seconds between two canaries")
    canary_within_s: float = setting(
        30.0, at_least=0.5, meaning="探测记录多少秒未走完即告警 / seconds in which a canary has to be back"
    )
    stalled_after_s: float = setting(
        30.0,
        at_least=1,
        meaning="有积压而进度不动多少秒即报停滞 / seconds without progress while records wait until a group is stalled",
    )
    groups_every_s: float = setting(5.0, at_least=0.5, meaning="查看消费组的间隔（秒）/ seconds between group checks")
    stale_feedback_s: float = setting(
        3600.0,
        at_least=1,
        meaning="在线帖子至少多久没有采集才算失联（平台时间，秒）/ platform seconds without an observation, at least",
    )
    stale_feedback_real_s: float = setting(
        60.0, at_least=0, meaning="同上，真实时间（秒）/ the same in real seconds, for clocks that run fast"
    )
