"""What platforms called us with, verified and without people's ids: internal, between receiver and readers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.events.envelope import Fact, Identifier, Instant, Platform

NativeId = Annotated[str, Meta(min_length=1, max_length=300)]


class ArrivedComment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A comment as a callback told it. native_id: of its post. author: the brand's pseudonym, never a platform's id."""

    native_id: NativeId
    comment_id: NativeId
    author: str
    text: str
    written_at: Instant
    parent_comment_id: str | None = None
    likes: int | None = None


class ChangedPublication(Struct, frozen=True, kw_only=True):
    """Something happened to a publication; its status is to be asked for. ids: the platform's names for it."""

    ids: dict[str, str]


class ChangedAuthorisation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The user granted or withdrew rights. proven False: anybody could have said so, the platform is to be asked."""

    granted: bool
    proven: bool
    scopes: tuple[str, ...] = ()


class PlatformCallback(Fact, frozen=True, kw_only=True, tag="PlatformCallback", omit_defaults=True):
    """One event of one call, written before the call is acknowledged; exactly one of the last three is there.

    identity: the same for every repetition of the call. proof: hash of a signature that does not cover the body, so
    that another call under the same one is known for a replay; empty where signatures cover bodies.
    """

    platform: Platform
    account: Identifier
    identity: Annotated[str, Meta(min_length=1, max_length=300)]
    proof: str = ""
    comment: ArrivedComment | None = None
    publication: ChangedPublication | None = None
    authorisation: ChangedAuthorisation | None = None
