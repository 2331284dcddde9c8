"""What a content is judged by: the state of things at the moment of the request, handed in by the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.events.content import MasterContent, Target
from services.adapter.accounts.quota_forecast import Planned
from services.adapter.contract.accounts import Accounts
from services.adapter.contract.adapter import Adapter
from services.publisher.content.similarity import Alike
from services.publisher.media.uploads import StoredMedia


@dataclass(frozen=True, slots=True)
class Known:
    """What a content is judged by. versions: of this content so far, oldest first. find_media: by sha256.

    planned_posts: what other contents will post on an account (platform, account). alike: another content that says
    nearly the same there within a day.
    """

    campaign_brand: str | None
    versions: tuple[MasterContent, ...]
    accounts: Accounts
    adapter: Callable[[str], Adapter]
    find_media: Callable[[str], StoredMedia | None]
    planned_posts: Callable[[str, str], Sequence[Planned]] = lambda platform, account: ()
    alike: Callable[[MasterContent, Target], Alike | None] = lambda content, target: None
