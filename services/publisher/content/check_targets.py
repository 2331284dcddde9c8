"""Checks the targets of a content request: platform, account, brand, identity and schedule of each. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import structs

from schemas.events.content import Schedule, Target
from schemas.moments import shown
from services.adapter.contract.accounts import Account
from services.adapter.contract.registry import UnknownPlatformError
from services.publisher.api.problems import Problem, problem
from services.publisher.api.requests import ContentRequest, TargetRequest
from services.publisher.content.known import Known
from services.publisher.content.schedule import ScheduleError, resolved


def targets(
    request: ContentRequest, known: Known, now: datetime, problems: list[Problem]
) -> Mapping[int, tuple[Target, Account]]:
    """The usable targets by their number in the request."""
    usable: dict[int, tuple[Target, Account]] = {}
    seen: dict[tuple[str, str, str], int] = {}
    for number, asked in enumerate(request.targets):
        field, key = f"targets[{number}]", (asked.platform, asked.account, asked.slot)
        wrong = list(_account(field, asked, known))
        if key in seen:
            wrong.append(
                problem(
                    field,
                    "duplicate_target",
                    f"与 targets[{seen[key]}] 是同一个发布位",
                    f"the same placement as targets[{seen[key]}]",
                    "请去掉一个，或用不同的 slot / remove one or give it another slot",
                    named(asked),
                )
            )
        seen.setdefault(key, number)
        schedule = _schedule(field, asked, now, wrong)
        problems.extend(wrong)
        account = known.accounts.get(asked.platform, asked.account)
        if not wrong and account is not None:
            usable[number] = (_target(asked, schedule), account)
    return usable


def _target(asked: TargetRequest, schedule: Schedule | None) -> Target:
    return Target(
        platform=asked.platform,
        account=asked.account,
        slot=asked.slot,
        schedule=schedule,
        late_within_s=asked.late_within_s,
    )


def named(target: TargetRequest | Target) -> str:
    return f"{target.platform}/{target.account}/{target.slot}"


def _account(field: str, asked: TargetRequest, known: Known) -> Iterator[Problem]:
    try:
        known.adapter(asked.platform)
    except UnknownPlatformError as error:
        zh, _, en = str(error).partition(" / ")
        yield problem(
            f"{field}.platform", "unknown_platform", zh, en, "请改用现有平台 / use one that exists", named(asked)
        )
        return
    account = known.accounts.get(asked.platform, asked.account)
    if account is None:
        declared = "、".join(sorted(one.account for one in known.accounts.of(asked.platform))) or "无"
        yield problem(
            f"{field}.account",
            "unknown_account",
            f"账号“{asked.account}”没有在账号文件中声明",
            f"the account {asked.account!r} is not declared",
            f"已声明的账号 / declared accounts: {declared}",
            named(asked),
        )
    elif known.campaign_brand is not None and account.brand_id != known.campaign_brand:
        yield problem(
            f"{field}.account",
            "account_of_another_brand",
            f"账号“{asked.account}”属于品牌“{account.brand_id}”，不能发布“{known.campaign_brand}”的内容",
            f"the account belongs to the brand {account.brand_id!r}",
            "请使用本品牌的账号 / use an account of this brand",
            named(asked),
        )


def _schedule(field: str, asked: TargetRequest, now: datetime, wrong: list[Problem]) -> Schedule | None:
    if asked.schedule is None:
        return None
    try:
        schedule = resolved(asked.schedule, now)
    except ScheduleError as error:
        where = ".".join(part for part in (f"{field}.schedule", error.problem.field) if part)
        wrong.append(structs.replace(error.problem, field=where, target=named(asked)))
        return None
    if schedule.due_at + timedelta(seconds=asked.late_within_s) < now:
        wrong.append(
            problem(
                f"{field}.schedule",
                "due_in_the_past",
                f"计划时间 {shown(schedule.due_at)} 已过，且超出 late_within_s，只会被记为 MISSED",
                "the time has passed by more than late_within_s: it could only be MISSED",
                "请改为将来的时间，或去掉 schedule 立即发布 / choose a later time, or none to post at once",
                named(asked),
            )
        )
    return schedule
