"""A canary: a small record that crosses the whole pipeline on a topic of its own, to show that each stage lives."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.events.envelope import Identifier, Instant, Platform


class Passing(Struct, frozen=True, kw_only=True):
    """One stage that the canary has passed. worker: which process of that service."""

    service: str
    worker: str
    at: Instant


class CanaryPassed(Struct, frozen=True, kw_only=True, tag_field="type", tag="CanaryPassed"):
    """Where a canary is: `route[len(passed)]` is to pass it on next, with itself added to `passed`.

    It is about no brand and no post, and no record of any other topic follows from it.
    """

    canary_id: Identifier
    platform: Platform
    route: Annotated[tuple[str, ...], Meta(min_length=1)]
    passed: tuple[Passing, ...] = ()
    started_at: Instant

    @property
    def next(self) -> str | None:
        """The service whose turn it is; None: it is back."""
        return self.route[len(self.passed)] if len(self.passed) < len(self.route) else None
