"""Comments and metrics of live posts, as a platform gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from schemas.events.content import ContentKind
from schemas.events.feedback import Metric, Reading, Readings
from schemas.events.placement import PlacementRecord, PostRef


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
