"""What operators command: brakes, retries, verdicts on unknown posts, retractions, replies. Adapters obey all of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.events.envelope import Fact, Identifier, Instant, Platform
from schemas.events.placement import PostRef

Words = Annotated[str, Meta(min_length=1, max_length=2000)]
BrakeLevel = Literal["brand", "campaign", "platform", "account"]
_NEEDS: dict[str, tuple[str, ...]] = {
    "brand": (),
    "campaign": ("campaign_id",),
    "platform": ("platform",),
    "account": ("platform", "account"),
}


class BrakeScope(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a brake holds, always within the brand of its command: all of it, a campaign, a platform or one account."""

    level: BrakeLevel
    campaign_id: Identifier | None = None
    platform: Platform | None = None
    account: Identifier | None = None

    def __post_init__(self) -> None:
        needed = _NEEDS[self.level]
        for name in ("campaign_id", "platform", "account"):
            if (getattr(self, name) is not None) != (name in needed):
                verb = ("需要", "needs") if name in needed else ("不能带", "must not have")
                raise ValueError(f"{self.level} 级刹车{verb[0]} {name} / a {self.level} brake {verb[1]} {name}")

    def covers(self, *, campaign_id: str, platform: str, account: str) -> bool:
        """Whether a placement of the same brand is held by this brake."""
        return (
            self.campaign_id in (None, campaign_id)
            and self.platform in (None, platform)
            and self.account in (None, account)
        )


class Command(Fact, frozen=True, kw_only=True):
    """One instruction of a person (or of a rule that a person switched on). command_id is the key on the topic."""

    command_id: Identifier
    actor: Words
    reason: Words


class BrakeSet(Command, frozen=True, kw_only=True, tag="BrakeSet"):
    """Nothing within the scope is called from now on; it is parked. until None = until it is released."""

    scope: BrakeScope
    until: Instant | None = None


class BrakeReleased(Command, frozen=True, kw_only=True, tag="BrakeReleased"):
    """The brake of the command `brake_id` is off; other brakes still hold what they hold."""

    brake_id: Identifier


class PlacementCommand(Command, frozen=True, kw_only=True):
    """An instruction about one placement."""

    campaign_id: Identifier
    placement_id: Identifier


class RetryRequested(PlacementCommand, frozen=True, kw_only=True, tag="RetryRequested"):
    """Try again, where the ledger shows that no post can exist; otherwise the worker refuses."""


class UnknownConfirmed(PlacementCommand, frozen=True, kw_only=True, tag="UnknownConfirmed"):
    """A person has looked: the post whose outcome was unknown is live, and this is it."""

    post: PostRef


class UnknownDenied(PlacementCommand, frozen=True, kw_only=True, tag="UnknownDenied"):
    """A person has looked: the post whose outcome was unknown does not exist; it may be called again."""


class ReleaseRequested(PlacementCommand, frozen=True, kw_only=True, tag="ReleaseRequested"):
    """Let a parked placement go on, at `due_at` or at once; it may be as late after that as it was planned to be."""

    due_at: Instant | None = None


class RetractRequested(PlacementCommand, frozen=True, kw_only=True, tag="RetractRequested"):
    """Take a live post down, where the platform can."""


class ReplyRequested(PlacementCommand, frozen=True, kw_only=True, tag="ReplyRequested"):
    """Answer a comment with these words; the same command never answers twice."""

    post_key: str
    comment_id: str
    text: Words


class CancelRequested(PlacementCommand, frozen=True, kw_only=True, tag="CancelRequested"):
    """Do not call this placement any more; a whole content is cancelled with ContentCancelled."""


OperatorCommand = (
    BrakeSet
    | BrakeReleased
    | RetryRequested
    | UnknownConfirmed
    | UnknownDenied
    | ReleaseRequested
    | RetractRequested
    | ReplyRequested
    | CancelRequested
)
