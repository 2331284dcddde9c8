"""What every adapter provides. A platform is one folder `adapter_X` whose `ADAPTER` fulfils this contract.

The worker owns state, time, retries and the ledger; an adapter owns the platform's words: what fits, what to send, what
an answer means. Mutating calls get exactly one attempt from the adapter; the worker decides what happens next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from schemas.content import ContentKind, MasterContent, MediaRef, Target
from schemas.feedback import Metric, Reading, Readings
from schemas.placement import Draft, DraftMedia, Effect, PlacementRecord, PostRef
from services.adapter.accounts import Account
from services.adapter.errors import ErrorTable, PlatformError

if TYPE_CHECKING:
    from services.adapter.aftercare import AccountCare, Callbacks, Connecting, Replies, Retraction
    from services.adapter.sharing import Shared


@dataclass(frozen=True, slots=True)
class Name:
    zh: str
    en: str


# --- what fits -------------------------------------------------------------------------------------------------------


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


# --- one publication -------------------------------------------------------------------------------------------------


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

    def find(self, client: Any, record: PlacementRecord, claimed: frozenset[str]) -> Look:
        """Look, read-only, for the post of the step in `record.step` whose outcome is unknown.

        claimed: native ids of posts that belong to other placements. Raises PlatformError where looking fails.
        """
        ...

    def follow(self, client: Any, record: PlacementRecord) -> Followed:
        """Read-only: how is the accepted (or live) post doing? Raises PlatformError."""
        ...


# --- feedback --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LivePost:
    """A post to listen on, from its ledger record."""

    placement_id: str
    content_id: str
    brand_id: str
    campaign_id: str
    account: str
    kind: ContentKind
    title: str
    post: PostRef

    @classmethod
    def of(cls, record: PlacementRecord) -> LivePost:
        """The post of a placement that has one."""
        assert record.post is not None
        return cls(
            placement_id=record.placement_id,
            content_id=record.content_id,
            brand_id=record.brand_id,
            campaign_id=record.campaign_id,
            account=record.account,
            kind=record.kind,
            title=record.draft.title or record.draft.text if record.draft else "",
            post=record.post,
        )


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as the platform gave it. author: the platform's id, pseudonymised before it goes anywhere."""

    comment_id: str
    author: str
    text: str
    written_at: datetime
    parent_comment_id: str | None = None
    likes: int | None = None


@dataclass(frozen=True, slots=True)
class CommentPage:
    """One page of comments. position: paging state to continue with; more: whether to ask for another now.

    total: the platform's own number of comments of this post, None where it does not say.
    """

    comments: tuple[Comment, ...]
    position: dict[str, Any]
    more: bool
    total: int | None = None


class FeedbackSource(Protocol):
    """Comments and metrics of live posts by read-only calls, which may be repeated."""

    def native_metrics(self) -> Mapping[Metric, str]:
        """Canonical metric → native name, for the metrics that the platform has."""
        ...

    def comment_pages(
        self, client: Any, post: LivePost, position: Mapping[str, Any], known: Callable[[str], bool], now: datetime
    ) -> Iterator[CommentPage]:
        """Walk the comments that may be new, one page a call. `position` is what the last page of the last poll left.

        `known(comment_id)`: whether that comment has been collected already, so that a walk from the newest backwards
        knows where to stop. A short page is not the end. Seeing a comment again is allowed; missing one is not.
        """
        ...

    def metrics(self, client: Any, posts: Sequence[LivePost], now: datetime) -> Mapping[str, Readings]:
        """Snapshots by native id for posts of one account (in one call where the platform can).

        A post that is missing in the answer gets readings with reason `failed` or `not_yet`; never 0.
        """
        ...

    def followers(self, client: Any, now: datetime) -> Reading:
        """Followers of the client's account."""
        ...


# --- the adapter -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the worker is with this platform; seconds of real time.

    look_after_s: from the end of an unknown call to the first look; look_every_s: between looks; looks: negative looks
    before *not there* is believed; follow_every_s: between status polls; call_timeout_s: longest a call may take.
    """

    look_after_s: float
    look_every_s: float
    looks: int
    follow_every_s: float
    call_timeout_s: float = 20.0


class ClientFactory(Protocol):
    """Builds the platform client of one account. A client holds connections and is used by many threads.

    shared: the account's tokens and call budget, which other processes use too; None = the client is alone with it.
    """

    def __call__(self, account: Account, timeout_s: float, shared: Shared | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """Everything the pipeline knows about one platform.

    ways: the ways of posting an account may declare. localise: pure and deterministic. The last five are described in
    `aftercare.py`; None where the platform offers no such thing.
    """

    platform: str
    name: Name
    ways: tuple[str, ...]
    limits: Limits
    errors: ErrorTable
    timing: Timing
    localise: Callable[[MasterContent, Target, Account], Localised]
    publication: Publication
    feedback: FeedbackSource
    client: ClientFactory
    retraction: Retraction | None = None
    replies: Replies | None = None
    care: AccountCare | None = None
    callbacks: Callbacks | None = None
    connecting: Connecting | None = None
