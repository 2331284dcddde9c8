"""Takes operators' commands: checks them, foresees what they mean, writes them; answers once Kafka acknowledged.

What a command does is decided by the adapters, with the same rules by which it is foreseen here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from schemas.codec import encode
from schemas.events import commands
from schemas.events.commands import BrakeReleased, BrakeScope, BrakeSet, Command, PlacementCommand, ReleaseRequested
from schemas.events.feedback import post_key
from schemas.events.placement import PlacementRecord, PostRef
from schemas.moments import shown
from services.adapter.contract.adapter import Adapter
from services.adapter.placement import command_transitions
from services.adapter.placement.command_rules import CommandRules
from services.publisher.access.roles import Granted
from services.publisher.api.command_requests import (
    BrakeList,
    BrakeStatus,
    CommandAccepted,
    CommandKind,
    CommandRequest,
    Effect,
)
from services.publisher.api.problems import RequestRefusedError, conflict, invalid, problem, unavailable
from services.publisher.desks.brand_scope import may_define, missing
from services.publisher.desks.name_locks import NameLocks
from services.publisher.log.commands import TOPIC, CommandLog
from services.publisher.log.follower import LogFollower
from services.publisher.log.placements import Placements
from services.publisher.log.writer import RETRY_AFTER_S, LogWriter, OutcomeUnknownError
from services.runtime.clock import Clock
from services.runtime.kafka.records import Outgoing

MOST_EFFECTS = 200
_SEEN_WITHIN_S = 5.0
_OWN = "own-"
_RESERVED = (_OWN, "risk:")  # the second are brakes that adapters set by themselves
_WAITS = frozenset({"INTENDED"})
_WITH = ("brand_id", "scope", "until", "brake_id", "over_s", "placement_id", "post", "due_at", "comment_id", "text")
NEEDS: dict[CommandKind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "brake_set": (("scope", "brand_id"), ("until",)),
    "brake_release": (("brake_id",), ("over_s",)),
    "cancel": (("placement_id",), ()),
    "retract": (("placement_id",), ()),
    "retry": (("placement_id",), ()),
    "confirm": (("placement_id", "post"), ()),
    "deny": (("placement_id",), ()),
    "release": (("placement_id",), ("due_at",)),
    "reply": (("placement_id", "comment_id", "text"), ()),
}
"""kind → fields it needs, fields it may have."""
PLAIN: dict[CommandKind, type[PlacementCommand]] = {
    "cancel": commands.CancelRequested,
    "retract": commands.RetractRequested,
    "retry": commands.RetryRequested,
    "deny": commands.UnknownDenied,
}


@dataclass(frozen=True, slots=True)
class CheckedCommand:
    """What is to be written, in this order, and what it is foreseen to do. The last command is the one asked for."""

    commands: tuple[Command, ...]
    effects: tuple[Effect, ...]


class CommandHandler:
    """One per process. All methods may be called from many threads at once."""

    def __init__(
        self,
        command_log: CommandLog,
        placements: Placements,
        follower: LogFollower,
        writer: LogWriter,
        adapter: Callable[[str], Adapter],
        clock: Clock,
    ) -> None:
        self._log = command_log
        self._placements = placements
        self._follower = follower
        self._writer, self._adapter, self._clock = writer, adapter, clock
        self._turns = NameLocks()

    def check(self, request: CommandRequest, granted: Granted) -> CommandAccepted:
        """What `take` would do; writes nothing."""
        _must_be_free_to_choose(request.command_id)
        return _answer(request, self._checked(request, granted))

    def take(self, request: CommandRequest, granted: Granted) -> tuple[CommandAccepted, bool]:
        """Write the command; whether it had been given before, in the same words and with the same id."""
        _must_be_free_to_choose(request.command_id)
        chosen = request.command_id
        with self._turns.of(chosen or uuid.uuid4().hex):
            checked = self._checked(request, granted)
            asked = checked.commands[-1]
            before = self._log.command(asked.command_id)
            if before is not None and before.brand_id != asked.brand_id:
                # Another brand has taken this id: ids are a brand's own, so this one goes by another on the log.
                request = msgspec.structs.replace(request, command_id=_own_id(asked.brand_id, asked.command_id))
                checked = self._checked(request, granted)
                asked = checked.commands[-1]
                before = self._log.command(asked.command_id)
            if before is not None:
                _must_be_same(before, asked)
                return _answer(request, CheckedCommand((before,), ())), True
            self._write(checked.commands, chosen)
            return _answer(request, checked), False

    def brakes(self, granted: Granted) -> BrakeList:
        parked = [one.parked_by for one in self._placements.records() if one.state == "PARKED"]
        on = (one for one in self._log.brakes_on(self._clock.now()) if granted.sees(one.brand_id))
        return BrakeList(brakes=tuple(_status(one, parked.count(one.command_id)) for one in on))

    # --- what it means ---

    def _checked(self, request: CommandRequest, granted: Granted) -> CheckedCommand:
        if problems := list(_misfits(request)):
            raise invalid(problems)
        now, command_id = self._clock.now(), request.command_id or f"cmd-{uuid.uuid4().hex}"
        facts = {
            "event_id": command_id, "command_id": command_id, "occurred_at": now, "observed_at": now,
            "trace_id": command_id, "actor": request.actor, "reason": request.reason,
        }  # fmt: skip
        match request.kind:
            case "brake_set":
                return self._brake(request, granted, facts)
            case "brake_release":
                return self._brake_release(request, granted, facts)
            case _:
                return self._about_placement(request, granted, facts)

    def _brake(self, request: CommandRequest, granted: Granted, facts: dict[str, Any]) -> CheckedCommand:
        assert request.scope is not None
        assert request.brand_id is not None
        may_define(granted, request.brand_id)
        now = self._clock.now()
        if request.until is not None and request.until <= now:
            wrong = "已经过去", "is in the past"
            raise invalid([problem("until", "in_the_past", *wrong, "请用将来的时刻，或省略 / use a time to come")])
        scope = BrakeScope(**msgspec.structs.asdict(request.scope))
        brake = BrakeSet(**facts, brand_id=request.brand_id, scope=scope, until=request.until)
        held = [
            one
            for one in self._placements.records()
            if one.brand_id == brake.brand_id
            and one.state in _WAITS
            and scope.covers(campaign_id=one.campaign_id, platform=one.platform, account=one.account)
        ]
        return CheckedCommand((brake,), tuple(_braked(one, brake, now) for one in held))

    def _brake_release(self, request: CommandRequest, granted: Granted, facts: dict[str, Any]) -> CheckedCommand:
        assert request.brake_id is not None
        now = self._clock.now()
        brake = next((one for one in self._log.brakes_on(now) if one.command_id == request.brake_id), None)
        if brake is None:
            known = self._log.command(request.brake_id)
            if not isinstance(known, BrakeSet):
                raise missing(granted, "刹车", "brake_id", request.brake_id)
            brake = known
        if not granted.sees(brake.brand_id):
            raise missing(granted, "刹车", "brake_id", request.brake_id)
        off = BrakeReleased(**facts, brand_id=brake.brand_id, brake_id=brake.command_id)
        held = [one for one in self._placements.records() if one.parked_by == brake.command_id]
        held.sort(key=lambda one: (one.due_at, one.placement_id))
        if request.over_s is None:
            return CheckedCommand(
                (off,), tuple(_effect(one, command_transitions.resumed(one, now, "")) for one in held)
            )
        staged = [
            ReleaseRequested(
                **facts | {"event_id": (name := f"{off.command_id}.{number}"), "command_id": name},
                brand_id=one.brand_id, campaign_id=one.campaign_id, placement_id=one.placement_id,
                due_at=now + timedelta(seconds=request.over_s * number / len(held)),
            )
            for number, one in enumerate(held)
        ]  # fmt: skip
        effects = [self._foreseen(one, command) for one, command in zip(held, staged, strict=True)]
        return CheckedCommand(
            (*staged, off), tuple(effects)
        )  # the brake goes off last: nothing leaves before its new time

    def _about_placement(self, request: CommandRequest, granted: Granted, facts: dict[str, Any]) -> CheckedCommand:
        assert request.placement_id is not None
        record = self._placements.record(request.placement_id)
        if record is None or not granted.sees(record.brand_id):
            raise missing(granted, "发布位", "placement_id", request.placement_id)
        whose = {name: getattr(record, name) for name in ("brand_id", "campaign_id", "placement_id")}
        command = _placement_command(request, record, facts | whose)
        return CheckedCommand((command,), (self._foreseen(record, command),))

    def _foreseen(self, record: PlacementRecord, command: PlacementCommand) -> Effect:
        rules = CommandRules(self._adapter(record.platform), lambda _: frozenset(), self._clock.now, "")
        after = rules.apply(record, command)
        if after is not None:
            return _effect(record, after)
        return _effect(record, command_transitions.withdrawn(record, command.reason, self._clock.now(), "", ()))

    # --- writing ---

    def _write(self, commands: Sequence[Command], chosen: str | None) -> None:
        records = [Outgoing(TOPIC, encode(one), one.command_id.encode(), 0) for one in commands]
        try:
            offset = self._writer.write_all(records, commands[-1].command_id)[-1]
        except OutcomeUnknownError:
            raise _unknown(chosen or commands[-1].command_id) from None
        self._follower.wait_for(TOPIC, 0, offset, _SEEN_WITHIN_S)


def _placement_command(request: CommandRequest, record: PlacementRecord, facts: dict[str, Any]) -> PlacementCommand:
    match request.kind:
        case "confirm":
            assert request.post is not None
            at: datetime = request.post.published_at or facts["occurred_at"]
            post = PostRef(native_id=request.post.native_id, url=request.post.url, published_at=at)
            return commands.UnknownConfirmed(**facts, post=post)
        case "release":
            return ReleaseRequested(**facts, due_at=request.due_at)
        case "reply":
            assert request.comment_id is not None
            assert request.text is not None
            key = post_key(record.platform, record.post.native_id) if record.post else ""
            return commands.ReplyRequested(**facts, comment_id=request.comment_id, text=request.text, post_key=key)
        case kind:
            return PLAIN[kind](**facts)


def _misfits(request: CommandRequest) -> Iterator[Any]:
    """Everything that this kind of command lacks or must not have."""
    needed, allowed = NEEDS[request.kind]
    for name in _WITH:
        given = getattr(request, name) is not None
        if name in needed and not given:
            wrong = f"{request.kind} 需要 {name}", f"{request.kind} needs {name}"
            yield problem(name, "missing_field", *wrong, f"请补上 {name} / add {name}")
        if given and name not in (*needed, *allowed):
            wrong = f"{request.kind} 不能带 {name}", f"{request.kind} must not have {name}"
            yield problem(name, "unexpected_field", *wrong, f"请去掉 {name} / leave {name} out")
    if request.scope is not None:
        try:
            BrakeScope(**msgspec.structs.asdict(request.scope))
        except ValueError as error:
            zh, _, en = str(error).partition(" / ")
            yield problem(
                "scope", "scope_incomplete", zh, en, "请按 level 填写 scope / fill in scope as its level needs"
            )


def _own_id(brand_id: str, command_id: str) -> str:
    """The id of a command whose chosen id another brand has: the same each time, and nobody else can choose it."""
    return _OWN + hashlib.sha256(f"{brand_id}\x1f{command_id}".encode()).hexdigest()[:32]


def _must_be_free_to_choose(command_id: str | None) -> None:
    if command_id is not None and command_id.startswith(_RESERVED):
        given = "、".join(_RESERVED)
        way_out = f"请换一个不以 {given} 开头的编号 / use an id that does not begin so"
        wrong = f"以 {given} 开头的编号由系统分配", f"ids that begin with {given} are given by the system"
        raise invalid([problem("command_id", "reserved_id", *wrong, way_out)])


def _must_be_same(before: Command, asked: Command) -> None:
    stamp = {"occurred_at": before.occurred_at, "observed_at": before.observed_at}
    if type(before) is not type(asked) or msgspec.structs.replace(asked, **stamp) != before:
        raise conflict(
            "command_id_reused",
            "这个 command_id 已用于另一个指令",
            "this command_id was used for another command",
            "请为新指令换一个编号或省略 / use a new id, or leave it out",
            "command_id",
        )


def _unknown(command_id: str) -> RequestRefusedError:
    detail = (
        f"Kafka 没有确认，指令可能已生效；请用 command_id {command_id} 原样重发，不会执行两次"
        f" / not acknowledged: repeat it with command_id {command_id}, it is carried out once"
    )
    return unavailable("outcome_unknown", detail, RETRY_AFTER_S)


def _braked(record: PlacementRecord, brake: BrakeSet, now: datetime) -> Effect:
    """What the adapter will do: it parks what is due, and leaves alone what falls due later until then."""
    due_at = record.next_attempt_at or record.due_at
    if due_at <= now:
        return _effect(record, command_transitions.parked(record, brake, now, ""))
    if brake.until is not None and brake.until <= due_at:
        note = f"不受影响：刹车在 {shown(brake.until)} 结束，早于计划的 {shown(due_at)}"
    else:
        note = f"到计划的 {shown(due_at)} 时会被拦下"
    return Effect(
        placement_id=record.placement_id,
        state=record.state,
        state_after=record.state,
        note=note,
        due_at=record.due_at,
    )


def _effect(before: PlacementRecord, after: PlacementRecord) -> Effect:
    note = after.history[-1].note if after.history else ""
    return Effect(
        placement_id=before.placement_id, state=before.state, state_after=after.state, note=note, due_at=after.due_at
    )


def _answer(request: CommandRequest, checked: CheckedCommand) -> CommandAccepted:
    asked = checked.commands[-1]
    return CommandAccepted(
        command_id=asked.command_id,
        kind=request.kind,
        brand_id=asked.brand_id,
        accepted_at=asked.observed_at,
        trace_id=asked.trace_id,
        affected=len(checked.effects),
        effects=checked.effects[:MOST_EFFECTS],
    )


def _status(brake: BrakeSet, parked: int) -> BrakeStatus:
    scope = brake.scope
    return BrakeStatus(
        brake_id=brake.command_id,
        brand_id=brake.brand_id,
        level=scope.level,
        campaign_id=scope.campaign_id,
        platform=scope.platform,
        account=scope.account,
        reason=brake.reason,
        actor=brake.actor,
        since=brake.occurred_at,
        until=brake.until,
        parked=parked,
    )
