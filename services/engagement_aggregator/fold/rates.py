"""Figures that are made of other figures: maturity, staleness, and the index of a post against its account. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median
from typing import Final

from schemas.events.aggregate import Maturity
from schemas.internal.aggregate_state import AccountState, PostState
from services.engagement_aggregator.rows import keys
from services.engagement_aggregator.rows.cached import Rows
from services.engagement_aggregator.rows.sums import engagement_of

_SETTLING, _FINAL = timedelta(days=7), timedelta(days=30)
_ACCOUNT_POSTS: Final = 20
_LEAST_OTHERS: Final = 3
# Age of the newest post up to … → how old its newest observation may grow: twice the time between two that are due.
# A snapshot that says nothing new comes at least every half hour, or with the poll where polls are rarer.
_DUE: Final = (
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(days=7), timedelta(hours=2)),
    (timedelta(days=30), timedelta(hours=12)),
)
_DUE_AFTERWARDS: Final = timedelta(days=2)


def maturity(published_at: datetime | None, as_of: datetime) -> Maturity:
    """How final the figures can be."""
    if published_at is None:
        return "unknown"
    age = as_of - published_at
    return "final" if age >= _FINAL else "settling" if age >= _SETTLING else "provisional"


def stale_after(published_at: datetime | None, newest: dict[str, datetime]) -> dict[str, datetime]:
    """Per platform the instant from which its figures are old; the widest allowance where no age is known."""
    return {platform: at + _allowance(published_at, at) for platform, at in newest.items()}


def _allowance(published_at: datetime | None, at: datetime) -> timedelta:
    if published_at is None:
        return _DUE_AFTERWARDS
    return next((due for up_to, due in _DUE if at - published_at < up_to), _DUE_AFTERWARDS)


Index = tuple[float, int, int]


def follow_account(rows: Rows, post: PostState) -> tuple[str, dict[str, Index | None]] | None:
    """Bring the account up to date with a post: the key of its row, and the index of its posts by post_key.

    None if the row stays as it is.
    """
    by_age = {
        age: engagement for age, (_, values) in post.marks.items() if (engagement := engagement_of(values)) is not None
    }
    if not by_age:
        return None
    key = keys.account(post.campaign_id, post.platform, post.account)
    row = rows.get(key)
    account = row if isinstance(row, AccountState) else AccountState()
    assert post.published_at is not None
    mine = (post.published_at, post.post_key, by_age)
    if mine in account.posts:
        return None
    others = [one for one in account.posts if one[1] != post.post_key]
    kept = sorted([*others, mine], key=lambda one: (one[0], one[1]))[-_ACCOUNT_POSTS:]
    if kept == account.posts:
        return None
    rows[key] = account = AccountState(kept)
    indexes = {post_key: _index(account, post_key, ages) for _, post_key, ages in kept}
    return key, {post_key: indexes.get(post_key) for _, post_key, _ in (*others, mine)}


def _index(account: AccountState, post_key: str, ages: dict[int, int]) -> tuple[float, int, int] | None:
    """Against the median of the others at the highest age at which enough of them are known."""
    for age in sorted(ages, reverse=True):
        others = [known[age] for _, key, known in account.posts if key != post_key and age in known]
        if len(others) >= _LEAST_OTHERS and (normal := median(others)) > 0:
            return ages[age] / normal, age, len(others)
    return None
