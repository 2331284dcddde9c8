"""Turns what a person means by a time into an instant, its zone and its wall clock; never guesses. Pure.

A naive instant, a time that daylight saving skips and a time that it repeats are refused by name.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from schemas.events.content import Schedule
from services.publisher.api.problems import Problem
from services.publisher.api.requests import ScheduleRequest

DEFAULT_ZONE = "Asia/Shanghai"
YEARS = (2000, 2200)


class ScheduleError(Exception):
    """Raised where a schedule has no meaning or more than one."""

    def __init__(self, field: str, code: str, message: str, message_en: str, way_out: str) -> None:
        super().__init__(message_en)
        self.problem = Problem(field=field, code=code, message=message, message_en=message_en, way_out=way_out)


def resolved(request: ScheduleRequest, now: datetime) -> Schedule:
    """The one instant that `request` means; raises ScheduleError (its field relative to the schedule)."""
    given = [name for name in ("due_at", "wall_clock", "in_s") if getattr(request, name) is not None]
    if len(given) != 1:
        raise ScheduleError(
            "",
            "schedule_without_one_meaning",
            f"due_at、wall_clock、in_s 必须且只能填一个，现在填了：{'、'.join(given) or '无'}",
            f"exactly one of due_at, wall_clock, in_s is needed, given: {', '.join(given) or 'none'}",
            "请只保留一个；立即发布请去掉 schedule / keep one, or leave schedule out to post at once",
        )
    zone = _zone(request.zone or DEFAULT_ZONE)
    if request.fold is not None and request.wall_clock is None:
        raise ScheduleError(
            "fold",
            "fold_without_wall_clock",
            "fold 只对 wall_clock 有意义",
            "fold has a meaning for wall_clock only",
            "请去掉 fold / leave it out",
        )
    if request.wall_clock is not None:
        due_at = _instant(request.wall_clock, zone, request.fold)
    else:
        due_at = request.due_at or now + timedelta(seconds=request.in_s or 0.0)
        _of_our_time(due_at, "due_at")
    local = due_at.astimezone(zone).replace(tzinfo=None)
    return Schedule(due_at=due_at.astimezone(UTC), zone=zone.key, wall_clock=local.isoformat(timespec="seconds"))


def _of_our_time(moment: datetime, field: str) -> None:
    """Near the ends of the calendar a change of zone overflows; nobody plans a post there."""
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ScheduleError(
            field,
            "year_out_of_range",
            f"年份 {moment.year} 超出范围",
            f"the year {moment.year} is out of range",
            f"请用 {YEARS[0]} 到 {YEARS[1]} 年之间的时间 / use a year from {YEARS[0]} to {YEARS[1]}",
        )


@cache
def _zones() -> frozenset[str]:
    # `localtime` is whatever the machine is set to, so it would mean another time on another machine
    return frozenset(available_timezones()) - {"localtime", "Factory", "posixrules"}


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise ScheduleError(
            "zone",
            "unknown_zone",
            f"没有时区“{name}”",
            f"there is no time zone {name!r}",
            "请用 IANA 名称，如 Asia/Shanghai、Europe/Berlin / use an IANA name",
        )
    return ZoneInfo(name)


def _instant(wall_clock: str, zone: ZoneInfo, fold: str | None) -> datetime:
    try:
        local = datetime.fromisoformat(wall_clock)
    except ValueError:
        raise ScheduleError(
            "wall_clock",
            "no_such_time",
            f"没有 {wall_clock} 这个时间",
            f"{wall_clock} is no time of the calendar",
            "请检查年月日和时分 / check the date and the time",
        ) from None
    _of_our_time(local, "wall_clock")
    earlier, later = (local.replace(tzinfo=zone, fold=number).astimezone(UTC) for number in (0, 1))
    if earlier == later:
        return earlier
    if earlier > later:  # the offset before the gap, applied after it, lands later
        raise _skipped(local, zone, later, earlier)
    if fold is None:
        raise _repeated(local, zone, earlier, later)
    return earlier if fold == "earlier" else later


def _skipped(local: datetime, zone: ZoneInfo, before: datetime, after: datetime) -> ScheduleError:
    choices = [moment.astimezone(zone).replace(tzinfo=None).isoformat() for moment in (before, after)]
    return ScheduleError(
        "wall_clock",
        "wall_clock_skipped",
        f"{zone.key} 的夏令时跳过了 {local.isoformat()}，这个时间不存在",
        f"daylight saving in {zone.key} skips {local.isoformat()}: this time does not exist",
        f"请改用 {choices[0]} 或 {choices[1]} / use one of these two",
    )


def _repeated(local: datetime, zone: ZoneInfo, earlier: datetime, later: datetime) -> ScheduleError:
    return ScheduleError(
        "wall_clock",
        "wall_clock_repeated",
        f"{zone.key} 的夏令时回拨使 {local.isoformat()} 出现两次",
        f"the clocks go back in {zone.key}: {local.isoformat()} happens twice",
        f"请加 fold: earlier（{earlier.isoformat()}）或 later（{later.isoformat()}）/ add fold: earlier or later",
    )
