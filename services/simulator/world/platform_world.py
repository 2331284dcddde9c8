"""One platform's world: its accounts, its posts, and what the audience has done to them by now."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.events.feedback import METRICS, Metric
from services.adapter.contract.accounts import Account
from services.simulator.audience.reactions import Audience, Reactions
from services.simulator.contract import OutgoingCallback, PostState, SimAccount, SimComment, SimPost, SimulatedPlatform
from services.simulator.http.webhooks import Delivery, Webhooks, address
from services.simulator.world.clock import SimClock
from services.simulator.world.faults import Faults

COUNTER_FALLS_TO = 0.9
CALLBACK_URL = "callback_url"  # account option


@dataclass(slots=True)
class _Kept:
    """What the world knows about a post beside the platform's own record. born_of: the endpoint that made it."""

    post: SimPost
    ordinal: int
    born_of: str
    reactions: Reactions | None = None
    remove_at: datetime | None = None
    ended_at: datetime | None = None
    comments: list[SimComment] = field(default_factory=list)
    comment_ids: set[str] = field(default_factory=set)
    by_api: list[SimComment] = field(default_factory=list)


class SimWorld:
    """Implements the contract's World. Used by one thread at a time: the server holds its lock around every use."""

    def __init__(
        self,
        simulated: SimulatedPlatform,
        accounts: Sequence[Account],
        clock: SimClock,
        audience: Audience,
        faults: Faults,
        seed: int,
        webhooks: Webhooks | None = None,
    ) -> None:
        self.platform = simulated.platform
        self.simulated = simulated
        self._declared = tuple(accounts)
        self._clock = clock
        self._audience = audience
        self._faults = faults
        self._webhooks = webhooks or Webhooks()
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """As on the first day: no post, first tokens.

        The generator of ids starts elsewhere each time: no platform gives an id twice, and who remembers posts of an
        earlier simulation would take a new one for an old one. The audience has seeds of its own and is the same.
        """
        self.rng = random.Random(f"{self._seed}:{self.platform}:{self._clock.now().isoformat()}")
        self.accounts = {a.account: _opened(a, self._seed) for a in self._declared}
        self.posts: list[SimPost] = []
        self.state: dict[str, Any] = {}
        self._kept: dict[int, _Kept] = {}
        self._made, self._live = Counter[str](), Counter[str]()
        self._touched, self._to_remove = list[_Kept](), list[_Kept]()
        self._stopped_at: datetime | None = None
        self.begin("")

    def begin(self, endpoint: str) -> None:
        """A request to `endpoint` begins ("" = none, time alone moves things)."""
        self._endpoint = endpoint
        self._backwards: bool | None = None
        self.taken: list[str] = []

    def now(self) -> datetime:
        return self._clock.now()

    def add_post(self, post: SimPost) -> None:
        self._made[post.account] += 1
        self._live[post.account] += post.state == "live"
        self.posts.append(post)
        self._kept[id(post)] = _Kept(post, self._made[post.account], self._endpoint)
        post.on_change = self._changed
        if post.state == "live":
            self.go_live(post, post.live_at or self.now())

    def _changed(self, post: SimPost, before: PostState) -> None:
        self._live[post.account] += (post.state == "live") - (before == "live")
        self._touched.append(self._of(post))

    def live_posts(self, account: str) -> int:
        return self._live[account]

    def go_live(self, post: SimPost, at: datetime) -> None:
        kept = self._of(post)
        if at > self.now():
            raise ValueError(f"{post.platform}/{post.native_id} cannot go live in the future, at {at.isoformat()}")
        if kept.reactions is not None:
            raise ValueError(f"{post.platform}/{post.native_id} went live before")
        post.state, post.live_at = "live", at
        kept.reactions = self._audience.reactions(self.platform, post.account, kept.ordinal, post.kind)
        if removal := self._faults.take(self.platform, "removed_later", kept.born_of):
            self.taken.append("removed_later")
            kept.remove_at = at + timedelta(seconds=removal.delay_s or 0)
            self._to_remove.append(kept)

    def counts(self, post: SimPost, at: datetime | None = None) -> dict[Metric, int]:
        figures = self.true_counts(post, at)
        if self._counters_fall():
            figures |= {
                metric: int(value * COUNTER_FALLS_TO) for metric, value in figures.items() if metric != "comments"
            }
        return figures

    def true_counts(self, post: SimPost, at: datetime | None = None) -> dict[Metric, int]:
        """The figures as they are, whatever `counter_backwards` makes the platform say."""
        kept, at = self._of(post), at or self.now()
        elapsed = self._elapsed(kept, at)
        if kept.reactions is None or elapsed is None:
            return dict.fromkeys(METRICS, 0)
        figures = kept.reactions.counts(elapsed)
        figures["comments"] += sum(1 for comment in kept.by_api if comment.at <= at)
        return figures

    def comments(self, post: SimPost) -> list[SimComment]:
        kept = self._of(post)
        elapsed = self._elapsed(kept, self.now())
        if kept.reactions is None or elapsed is None or post.live_at is None:
            return []
        written = kept.reactions.written(elapsed)
        while len(kept.comments) < written:
            kept.comments.append(self._comment(kept, kept.reactions, post.live_at))
        audience = kept.comments[:written]
        return sorted([*audience, *kept.by_api], key=lambda comment: comment.at) if kept.by_api else audience

    def add_comment(self, post: SimPost, comment: SimComment) -> None:
        kept = self._of(post)
        if post.state != "live":
            raise ValueError(f"{post.platform}/{post.native_id} is not live: nobody can comment on it")
        self._claim(kept, comment.native_id)
        kept.by_api.append(comment)

    def take_fault(self, kind: str, endpoint: str) -> bool:
        struck = self._faults.take(self.platform, kind, endpoint) is not None
        if struck:
            self.taken.append(kind)
        return struck

    def call_back(self, account: SimAccount, request: OutgoingCallback) -> None:
        base = account.options.get(CALLBACK_URL, "")
        if not (request.url or base):
            return
        lost = self.take_fault("webhook_lost", request.name)
        thrice = not lost and self.take_fault("webhook_thrice", request.name)
        url = address(base, request)
        delivery = Delivery(self.platform, account.account, url, request, self.now())
        delivery.fault = "webhook_lost" if lost else "webhook_thrice" if thrice else None
        self._webhooks.send(delivery, copies=0 if lost else 3 if thrice else 1)

    def tick(self) -> None:
        """What time brings to any platform: the removal of posts that were to be removed later."""
        for kept in self._to_remove:
            if kept.remove_at is not None and kept.post.state == "live" and self.now() >= kept.remove_at:
                kept.post.state, kept.ended_at = "removed", kept.remove_at

    def note_ends(self) -> None:
        """Posts that a handler took off line since the last look get no further reactions."""
        for kept in self._touched:
            if kept.reactions is not None and kept.ended_at is None and kept.post.state != "live":
                kept.ended_at = self.now()
        self._touched.clear()

    def stop_audience(self) -> None:
        """From now on nobody reacts any more."""
        self._stopped_at = self._stopped_at or self.now()

    def unsettled(self) -> list[tuple[SimPost, datetime | None]]:
        """Posts that may still get reactions, with the time of the last one (None: not live yet)."""
        found: list[tuple[SimPost, datetime | None]] = []
        for kept in self._kept.values():
            if self._stopped_at is not None or kept.post.state in ("rejected", "removed"):
                continue
            if kept.reactions is None or kept.post.live_at is None:
                found.append((kept.post, None))
                continue
            last = kept.post.live_at + timedelta(seconds=kept.reactions.lasts)
            if last > self.now():
                found.append((kept.post, last))
        return found

    def _comment(self, kept: _Kept, reactions: Reactions, live_at: datetime) -> SimComment:
        ordinal = len(kept.comments) + 1
        remark = reactions.remarks[ordinal - 1]
        at = live_at + timedelta(seconds=remark.after)
        native_id = self.simulated.comment_id(self, kept.post, ordinal, at)
        self._claim(kept, native_id)
        return SimComment(
            native_id=native_id,
            author=remark.author,
            text=remark.text,
            at=at,
            parent=kept.comments[remark.parent - 1].native_id if remark.parent else None,
            likes=remark.likes,
        )

    def _claim(self, kept: _Kept, native_id: str) -> None:
        if native_id in kept.comment_ids:
            raise ValueError(f"{self.platform}: comment id {native_id} is given twice on {kept.post.native_id}")
        kept.comment_ids.add(native_id)

    def _elapsed(self, kept: _Kept, at: datetime) -> float | None:
        """Seconds of audience the post has had by `at`; None before it was live."""
        if kept.post.live_at is None or at < kept.post.live_at:
            return None
        until = min(end for end in (at, kept.ended_at, self._stopped_at) if end is not None)
        return (until - kept.post.live_at).total_seconds() if until >= kept.post.live_at else None

    def _counters_fall(self) -> bool:
        """Asked of the faults once per request, so that one answer agrees with itself."""
        if self._backwards is None:
            self._backwards = self._endpoint != "" and self.take_fault("counter_backwards", self._endpoint)
        return self._backwards

    def _of(self, post: SimPost) -> _Kept:
        try:
            return self._kept[id(post)]
        except KeyError:
            raise ValueError(f"{post.platform}/{post.native_id} was never given to add_post") from None


def _opened(account: Account, seed: int) -> SimAccount:
    followers = account.options.get("followers", "")
    rng = random.Random(f"{seed}:{account.platform}:{account.account}:followers")
    return SimAccount(
        platform=account.platform,
        account=account.account,
        app_id=account.app_id,
        app_secret=account.app_secret,
        open_id=account.open_id,
        access_token=account.access_token,
        refresh_token=account.refresh_token,
        display_name=account.display_name or account.account,
        followers=int(followers) if followers.isdecimal() else rng.randrange(3_000, 60_000),
        way=account.way,
        options=dict(account.options),
    )
