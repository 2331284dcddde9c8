"""What a platform accepts, as data, and whether a content fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.events.content import ContentKind
from schemas.events.placement import Draft


@dataclass(frozen=True, slots=True)
class MediaLimit:
    """What the platform takes as one `use` of a file. Sizes in bytes, durations in seconds; None = no stated limit."""

    use: str
    content_types: tuple[str, ...]
    max_bytes: int | None
    max_count: int
    max_duration_s: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` per `per_s` seconds. endpoint `*` = all endpoints together. scope: whose budget it is."""

    endpoint: str
    calls: int
    per_s: float
    scope: Literal["app", "account"] = "account"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform accepts, as data. text: field → most characters, in the platform's own counting."""

    text: Mapping[str, int]
    media: tuple[MediaLimit, ...]
    rates: tuple[RateLimit, ...]
    kinds: Mapping[ContentKind, str]  # content kind → post form; a kind not named here is refused
    can_edit: bool = False
    can_delete: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a content does not fit. code: constant snake_case; field: of the master content; way_out: what to change."""

    code: str
    field: str
    message: str  # Chinese
    message_en: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Localised:
    """The outcome of localising: a draft, or the reasons why there is none (all of them at once)."""

    draft: Draft | None
    refusals: tuple[Refusal, ...] = ()
