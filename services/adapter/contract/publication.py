"""One publication on one platform: its steps, what a call can come to, and how a lost post is found.

A call that changes something is made once by the adapter; the worker decides what happens next.
"""

from __future__ import annotations

from collections.abc import Container
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from schemas.events.content import MediaRef
from schemas.events.placement import DraftMedia, Effect, PlacementRecord, PostRef
from services.adapter.contract.errors import PlatformError


@dataclass(frozen=True, slots=True)
class Step:
    """One call (or one part) of a publication.

    effect: what doing it twice would leave behind: `none`, `orphan` (an unused upload or draft: harmless) or `post` (a
    second live post: never). waiting_on: Chinese, what is being waited for while it runs.
    """

    name: str
    effect: Effect
    waiting_on: str


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished; `result` is recorded and given to the later steps."""

    result: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The platform took the post, which is not live yet; it is followed until it is."""

    result: dict[str, str]
    waiting_on: str


@dataclass(frozen=True, slots=True)
class Live:
    """The post is live."""

    post: PostRef


@dataclass(frozen=True, slots=True)
class Pending:
    """Still being published or reviewed."""

    waiting_on: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The platform refused after all (review, originality check)."""

    error: PlatformError


@dataclass(frozen=True, slots=True)
class Removed:
    """The post was live and is gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class NeedsHuman:
    """Only a person can go on; `reason` (Chinese) says with what."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """Looked everywhere it would be: not there (yet). The worker looks again before it believes it."""


@dataclass(frozen=True, slots=True)
class Undecidable:
    """Looking cannot tell; `reason` (Chinese) says why."""

    reason: str


StepOutcome = Done | Accepted | Live | NeedsHuman

Found = Live | Accepted

Look = Live | Accepted | NotFound | Undecidable

Followed = Pending | Live | Rejected | Removed


class MediaSource(Protocol):
    """The bytes behind a reference, verified against its sha256 and size."""

    def open(self, media: DraftMedia | MediaRef) -> AbstractContextManager[BinaryIO]:
        """A binary stream; raises PlatformError(error_class="media", sent="no") where the file is missing or other."""
        ...

    def read(self, media: DraftMedia | MediaRef) -> bytes:
        """All bytes; for pictures, not for videos."""
        ...


class Publication(Protocol):
    """The steps of one publication on one platform. Stateless: all state is in the record."""

    def next_step(self, record: PlacementRecord) -> Step | None:
        """The first step not in `record.steps`, decided by the draft; None when nothing is left to call. Pure."""
        ...

    def perform(self, client: Any, record: PlacementRecord, step: Step, media: MediaSource) -> StepOutcome:
        """Do one step: for effects `orphan` and `post` exactly one attempt. Raises PlatformError.

        After the request that makes a post none follows in the same step: held back, it would say "not sent".
        """
        ...

    def find(self, client: Any, record: PlacementRecord, claimed: Container[str]) -> Look:
        """Look, read-only, for the post of the step in `record.step` whose outcome is unknown.

        claimed: native ids of posts that belong to other placements. Raises PlatformError where looking fails.
        """
        ...

    def follow(self, client: Any, record: PlacementRecord) -> Followed:
        """Read-only: how is the accepted (or live) post doing? Raises PlatformError."""
        ...
