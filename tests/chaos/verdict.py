"""Holds what the topics say at the end of a chaos run against what really happened on the platforms. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.events.content import placement_id
from schemas.events.feedback import CommentObserved
from schemas.events.placement import PlacementRecord
from tests.chaos.plan import Publication
from tests.engagement_aggregator.recount.posts import Difference

BRAND = "qinghe"
CONTENT = re.compile(r"c\d{4}x")
GONE = ("removed", "rejected")
Place = tuple[str, str, str]
"""(platform, account, content_id)"""


@dataclass(frozen=True, slots=True)
class SeenPost:
    """A post as the platform has it, live or not."""

    platform: str
    account: str
    native_id: str
    state: str
    text: str
    comment_ids: frozenset[str]

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.native_id}"

    @property
    def place(self) -> Place | None:
        found = CONTENT.search(self.text)
        return (self.platform, self.account, found.group()) if found else None


@dataclass(slots=True)
class Verdict:
    """Counts, and for each thing that is wrong a sentence that says what."""

    placements: int = 0
    doubled: int = 0
    not_final: int = 0
    needs_human: int = 0
    ledger_wrong: int = 0
    comments: dict[str, int] = field(default_factory=dict)
    aggregates_wrong: int = 0
    states: dict[str, int] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.reasons

    @property
    def missing(self) -> int:
        """Comments that are still to be collected."""
        return self.comments.get("true", 1) - self.comments.get("collected", 0)

    def shown(self) -> dict[str, Any]:
        names = ("placements", "doubled", "not_final", "comments", "aggregates_wrong", "needs_human", "ledger_wrong")
        return {name: getattr(self, name) for name in names} | {"states": self.states, "reasons": self.reasons[:100]}


def places(publications: Iterable[Publication]) -> dict[str, Place]:
    """The places of all placements by placement id."""
    return {
        placement_id(
            brand_id=BRAND, campaign_id=one.campaign_id, content_id=one.content_id, platform=platform, account=account,
            slot="main",
        ): (platform, account, one.content_id)
        for one in publications
        for platform, account in one.targets
    }  # fmt: skip


def judged(
    expected: Mapping[str, Place],
    records: Mapping[str, PlacementRecord],
    posts: Sequence[SeenPost],
    comments: Sequence[CommentObserved],
    wrong_rows: Sequence[Difference],
) -> Verdict:
    """expected: placements accepted. comments: first versions as events, repetitions included."""
    verdict = Verdict(placements=len(expected), aggregates_wrong=len(wrong_rows))
    verdict.states = dict(Counter(one.state if (one := records.get(name)) else "NO_RECORD" for name in expected))
    _endings(verdict, expected, records)
    _posts(verdict, expected, records, posts)
    _comments(verdict, records, posts, comments)
    verdict.reasons += [f"aggregate {d.key} {d.field}: {d.got} instead of {d.expected}" for d in wrong_rows]
    return verdict


def _endings(verdict: Verdict, expected: Mapping[str, Place], records: Mapping[str, PlacementRecord]) -> None:
    for name, place in expected.items():
        record = records.get(name)
        if record is None:
            verdict.not_final += 1
            verdict.reasons.append(f"placement {name} {place}: accepted, and the ledger has no record of it")
        elif record.state == "NEEDS_HUMAN":
            verdict.needs_human += 1
            if (why := _unjustified(record)) is not None:
                verdict.not_final += 1
                verdict.reasons.append(f"placement {name} {place}: NEEDS_HUMAN {why}")
        elif not record.is_final:
            verdict.not_final += 1
            verdict.reasons.append(f"placement {name} {place}: still {record.state}, waiting on {record.waiting_on!r}")
    for name in records.keys() - expected.keys():
        verdict.reasons.append(f"placement {name}: in the ledger, and nobody asked for it")
        verdict.ledger_wrong += 1


def _unjustified(record: PlacementRecord) -> str | None:
    """Why a person was asked without need; None where the record says what the person has to do."""
    if not record.history or not record.history[-1].note:
        return "without a word why"
    if record.failure is not None and record.failure.error_class == "bug":
        return f"because of a bug: {record.failure.message}"
    return None


def _posts(
    verdict: Verdict,
    expected: Mapping[str, Place],
    records: Mapping[str, PlacementRecord],
    posts: Sequence[SeenPost],
) -> None:
    there: dict[Place, list[SeenPost]] = defaultdict(list)
    by_key = {post.key: post for post in posts}
    for post in posts:
        if post.place is None:
            verdict.ledger_wrong += 1
            verdict.reasons.append(f"post {post.key}: belongs to no content: {post.text[:60]!r}")
        elif post.state not in GONE:
            there[post.place].append(post)
    for place, found in there.items():
        if len(found) > 1:
            verdict.doubled += len(found) - 1
            ids = ", ".join(f"{post.native_id} ({post.state})" for post in found)
            verdict.reasons.append(f"{place}: posted {len(found)} times: {ids}")
    claimed = Counter(
        f"{record.platform}:{record.post.native_id}"
        for record in records.values()
        if record.post is not None and record.state == "LIVE"
    )
    for key, times in claimed.items():
        if times > 1:
            verdict.ledger_wrong += 1
            verdict.reasons.append(f"post {key}: claimed by {times} placements")
    for name, place in expected.items():
        if (record := records.get(name)) is not None and (why := _differs(record, place, there[place], by_key)):
            verdict.ledger_wrong += 1
            verdict.reasons.append(f"placement {name} {place}: {why}")


def _differs(
    record: PlacementRecord, place: Place, there: Sequence[SeenPost], by_key: Mapping[str, SeenPost]
) -> str | None:
    """In what the ledger differs from the platform; a person who was asked is told what is known, not more."""
    if record.state == "LIVE":
        post = by_key.get(f"{record.platform}:{record.post.native_id}") if record.post else None
        if post is None:
            return "LIVE, and the platform has no such post"
        if post.state != "live":
            return f"LIVE, and the post is {post.state}"
        return None if post.place == place else f"LIVE with the post of {post.place}"
    if record.state in ("REJECTED", "MISSED", "CANCELLED", "REMOVED") and there:
        return f"{record.state}, and the platform shows {there[0].native_id}"
    return None


def _comments(
    verdict: Verdict,
    records: Mapping[str, PlacementRecord],
    posts: Sequence[SeenPost],
    comments: Sequence[CommentObserved],
) -> None:
    """Comments of the posts that the ledger calls live; those of a post left to a person nobody collects yet."""
    live = {f"{record.platform}:{record.post.native_id}" for record in records.values() if record.post}
    true = {(post.key, comment) for post in posts if post.state == "live" and post.key in live
            for comment in post.comment_ids}  # fmt: skip
    times = Counter((event.post_key, event.comment_id) for event in comments)
    collected, repeated = set(times), sum(times.values()) - len(times)
    verdict.comments = {"true": len(true), "collected": len(collected), "repeated": repeated}
    for what, some in (("missing", true - collected), ("invented", collected - true)):
        by_post = Counter(key for key, _ in some)
        verdict.reasons += [f"comments of {key}: {n} {what}" for key, n in by_post.items()]
    twice = Counter(key for (key, _), n in times.items() if n > 1)
    verdict.reasons += [f"comments of {key}: {n} more than once" for key, n in twice.items()]
