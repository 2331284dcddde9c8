"""What a platform's half of the simulator provides, and the world it lives in. Knows no platform and no HTTP server.

Each adapter folder's `simulator` (a package or a file) exports `SIMULATOR`, a SimulatedPlatform. Its handlers are
plain synchronous functions; one call is handled at a time, so a handler is atomic.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from schemas.events.feedback import Metric

PostState = Literal["publishing", "in_review", "live", "rejected", "removed"]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A multipart file part; the simulator keeps what it checks, not the bytes (head: the first 64 KiB)."""

    filename: str
    content_type: str
    size: int
    sha256: str
    head: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the platform sees it. path: without the platform's mount prefix. json: parsed body or None."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    json: Any
    files: Mapping[str, UploadedFile]
    headers: Mapping[str, str]
    body: bytes = b""

    def param(self, name: str) -> str | None:
        """A parameter wherever the client may put it: form before query."""
        return self.form.get(name, self.query.get(name))


@dataclass(frozen=True, slots=True)
class SimReply:
    """body: JSON-able, or bytes sent as they are. location: where the client is sent."""

    body: Any
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    location: str | None = None


def _acknowledged(status: int, answer: bytes) -> bool:
    return 200 <= status < 300


@dataclass(frozen=True, slots=True)
class OutgoingCallback:
    """A call of the platform to its customer, signed and ready.

    url: None = the account's option `callback_url`. query: appended to it. name: how faults call it (the event's name).
    accepts: whether an answer (status, body) is what the platform wants to hear; any other is a failed try.
    """

    method: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    name: str = ""
    accepts: Callable[[int, bytes], bool] = _acknowledged


@dataclass(slots=True)
class SimAccount:
    """An account that exists on the simulated platform. state: whatever the platform needs to remember about it."""

    platform: str
    account: str
    app_id: str
    app_secret: str
    open_id: str
    access_token: str
    refresh_token: str
    display_name: str
    followers: int
    way: str
    options: dict[str, str]
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimComment:
    native_id: str
    author: str
    text: str
    at: datetime
    parent: str | None = None
    likes: int = 0


@dataclass(slots=True)
class SimPost:
    """Every post ever made. live_at: None until it is public. ids: the platform's further names for it.

    placement_hint: what the sender let slip about whose post this is (an annotation, a link parameter), if anything.
    on_change: the world's, told the state before: it need not look at every post again at each request.
    """

    platform: str
    native_id: str
    account: str
    kind: str
    title: str
    text: str
    created_at: datetime
    state: PostState
    live_at: datetime | None = None
    ids: dict[str, str] = field(default_factory=dict)
    media: tuple[str, ...] = ()
    placement_hint: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    on_change: Callable[[SimPost, PostState], None] | None = field(default=None, repr=False, compare=False)

    def __setattr__(self, name: str, value: Any) -> None:
        before = getattr(self, "state", None) if name == "state" else None
        object.__setattr__(self, name, value)
        if before is not None and self.on_change is not None:
            self.on_change(self, before)


class World(Protocol):
    """One platform's world. All times are the simulated clock's, UTC."""

    platform: str
    rng: random.Random
    accounts: dict[str, SimAccount]
    posts: list[SimPost]
    state: dict[str, Any]

    def now(self) -> datetime: ...

    def add_post(self, post: SimPost) -> None:
        """A post comes to exist (whatever its state). Where state is `live`, its audience starts at live_at."""
        ...

    def live_posts(self, account: str) -> int:
        """How many posts of this account can be seen now."""
        ...

    def go_live(self, post: SimPost, at: datetime) -> None:
        """The post becomes public at `at` (not in the future); its audience starts."""
        ...

    def counts(self, post: SimPost, at: datetime | None = None) -> dict[Metric, int]:
        """True cumulative figures at `at` (default now); zeros before it was live."""
        ...

    def comments(self, post: SimPost) -> list[SimComment]:
        """Comments written up to now, oldest first, replies included; their number is `counts()["comments"]`."""
        ...

    def add_comment(self, post: SimPost, comment: SimComment) -> None:
        """Somebody commented by the API (a brand's own reply): from now on among `comments` and counted.

        Its id is the platform's choice and must not be one that `comment_id` may give.
        """
        ...

    def take_fault(self, kind: str, endpoint: str) -> bool:
        """Whether a fault of this kind is set for this endpoint now; a counted fault is used up by asking."""
        ...

    def call_back(self, account: SimAccount, request: OutgoingCallback) -> None:
        """Call the account's customer over HTTP, soon and apart from the present request; nothing without an address.

        Tried three times, 5 s each. Faults: `webhook_lost` (never sent), `webhook_thrice` (sent three times at once).
        """
        ...


Handler = Callable[[World, Call], SimReply]
Act = Callable[[World, SimAccount, Mapping[str, str]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """name: how faults and `/_sim/calls` call it (`statuses/share`). path: the platform's real path."""

    name: str
    method: str
    path: str
    handler: Handler
    mutating: bool


class SimulatedPlatform(Protocol):
    """One platform.

    The server itself does `refuse_connection`, `drop_before`, `drop_after`, `slow` and `http_500` for any endpoint. A
    fault that answers in the platform's own words without doing anything (`rate_limit`, `token_expired`,
    `repeat_content`) is asked of `fault_reply`; one that changes what a handler does (`slow_success`,
    `review_refused`, `short_page` …) the handler takes itself by `world.take_fault`; an attribute `taken_faults`, a
    tuple of their names, lets the server refuse those that would never strike.

    Two more attributes may be there: `callbacks`, a tuple of the names of its `OutgoingCallback`s, to which faults may
    be limited; and `acts`, a mapping name → Act of what people do on the platform itself and no API offers (confirm
    in the app, withdraw a permission), done by `POST /_sim/acts`. An Act raises RefusedError naming the wrong field.
    """

    platform: str
    exposed: tuple[Metric, ...]

    def endpoints(self) -> Sequence[Endpoint]: ...

    def not_found(self, call: Call) -> SimReply:
        """The platform's answer to a path it does not have."""
        ...

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        """The platform's words for a fault; None where this platform has no such thing."""
        ...

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """The native id of the post's `ordinal`-th comment (from 1), in the platform's form, unique and stable."""
        ...

    def tick(self, world: World) -> None:
        """Let happen what time brings (a publishing job ends, a review is over); called before every request."""
        ...
