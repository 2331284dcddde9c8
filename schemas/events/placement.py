"""The placement ledger: one record per (brand, campaign, content, platform, account, slot), its history inside."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from schemas.events.content import ContentKind
from schemas.events.envelope import Count, Event, Identifier, Instant, Platform, Sha256

State = Literal[
    "INTENDED", "CALLING", "ACCEPTED", "PARKED", "UNKNOWN", "NEEDS_HUMAN",
    "LIVE", "REJECTED", "MISSED", "CANCELLED", "REMOVED",
]  # fmt: skip
FINAL_STATES: frozenset[State] = frozenset({"LIVE", "REJECTED", "MISSED", "CANCELLED", "REMOVED"})
ErrorClass = Literal[
    "auth", "quota", "content", "media", "account_risk", "platform_down", "network_unknown", "needs_human", "bug",
]  # fmt: skip
Effect = Literal["none", "orphan", "post"]


class Dropped(Struct, frozen=True, kw_only=True):
    """What localising left out or shortened, and why (Chinese)."""

    what: str
    why: str


class DraftMedia(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file a draft needs. use: how the platform uses it (`pic`, `cover`, `inline`, `video`, `image`)."""

    media_id: Identifier
    use: str
    uri: str
    sha256: Sha256
    content_type: str
    size_bytes: Count
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


class Draft(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A content in one platform's own form; same master and same rules give the same bytes.

    form: the platform's post form (`status`, `news`, `newspic`, `video`, `pictures`). fields: what else the platform
    needs, by its own names. fingerprint: by which the post is recognised on the account's own timeline.
    length_used and length_limit: in the platform's own counting of `text` (or of the field it limits first).
    """

    platform: Platform
    account: Identifier
    form: str
    title: str = ""
    text: str = ""
    html: str = ""
    fields: dict[str, Any] = {}
    media: tuple[DraftMedia, ...] = ()
    fingerprint: str
    rules_version: str
    rules_applied: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    warnings: tuple[str, ...] = ()
    length_used: int = 0
    length_limit: int = 0


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something failed. sent: whether the request left us. message: the platform's words or ours, Chinese kept."""

    error_class: ErrorClass
    code: str | None = None
    message: str
    scope: Literal["app", "account", "post"] = "post"
    sent: Literal["no", "yes", "unknown"] = "no"
    recognised: bool = True


class StepRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finished step of a publication and what it yielded (media ids, draft id, publish id …)."""

    name: str
    effect: Effect
    finished_at: Instant
    result: dict[str, str] = {}


class HistoryEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of state. note: plain Chinese for people."""

    at: Instant
    state: State
    step: str | None = None
    note: str = ""
    failure: Failure | None = None
    worker: str = ""


class PostRef(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A post on its platform. ids: the platform's further names for it, as strings."""

    native_id: str
    url: str | None = None
    published_at: Instant
    ids: dict[str, str] = {}


class ReplyRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer to a comment, by the command that asked for it; as careful as a post.

    state: `CALLING` (recorded before the call), `UNKNOWN` (looked for, not repeated), `DONE` or `FAILED`. actor: who
    asked for it; empty in records of older releases.
    """

    command_id: Identifier
    comment_id: str
    text: str
    state: Literal["CALLING", "UNKNOWN", "DONE", "FAILED"]
    at: Instant
    looks: int = 0
    reply_id: str | None = None
    failure: Failure | None = None
    actor: str = ""


class NewerVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version that came while an older one may have been posted; it takes over where the older one never was.

    draft None: it does not fit, and `failure` says why.
    """

    content_version: int
    kind: ContentKind
    trace_id: str
    due_at: Instant
    late_until: Instant
    draft: Draft | None = None
    failure: Failure | None = None


class EarlierHistory(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record no longer lists: lines of history and answered comments, counted.

    states: those that dropped lines were in. doubts: calls among them that ended without an answer.
    """

    lines: Count = 0
    states: tuple[State, ...] = ()
    doubts: Count = 0
    replies: Count = 0


class PlacementRecord(Event, frozen=True, kw_only=True, tag="PlacementRecord"):
    """All that is known about one placement. occurred_at: of this change.

    step, waiting_on, since: what it is doing or waiting for now, and since when. looks: negative looks for an unknown
    post so far. call_deadline: after this instant no call of the present step can still be on its way.
    surely_posted: the platform said that the post is there and withheld its id, so it is looked for and never called
    again. cancel_requested: a cancel came while a call was on its way; the next step is not taken. parked_by: the
    brake (its command id) that holds it. commands: ids of operator commands that were carried out or refused here.
    newer: what takes this version's place should the call in doubt never have happened. commands_to: all commands
    before this offset of `operator-command` are done, whether or not `commands` still names them. history: the first
    line and the newest ones; earlier: what was dropped between them.
    """

    placement_id: Identifier
    content_id: Identifier
    content_version: int
    kind: ContentKind
    platform: Platform
    account: Identifier
    slot: Identifier
    state: State
    step: str | None = None
    waiting_on: str = ""
    since: Instant
    due_at: Instant
    late_until: Instant
    draft: Draft | None = None
    steps: tuple[StepRecord, ...] = ()
    attempt: int = 0
    next_attempt_at: Instant | None = None
    first_called_at: Instant | None = None
    call_deadline: Instant | None = None
    looks: int = 0
    surely_posted: bool = False
    cancel_requested: bool = False
    newer: NewerVersion | None = None
    parked_by: str | None = None
    commands: tuple[Identifier, ...] = ()
    commands_to: Count = 0
    replies: tuple[ReplyRecord, ...] = ()
    post: PostRef | None = None
    failure: Failure | None = None
    history: tuple[HistoryEntry, ...] = ()
    earlier: EarlierHistory | None = None
    revision: int = 1

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    def result_of(self, step: str) -> dict[str, str] | None:
        """What a finished step yielded; None while it is not finished."""
        return next((s.result for s in self.steps if s.name == step), None)
