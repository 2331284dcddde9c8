"""What a chaos run will do, drawn from its seed and nothing else: which contents go out and what breaks in between.

Pure. The same seed and number of faults give the same plan, so that a failure can be played again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.events.content import ContentKind

ADAPTERS = ("adapter_weibo-0", "adapter_wechat-0", "adapter_douyin-0", "adapter_douyin-1")
SERVICES = ("publisher-0", *ADAPTERS, "feedback_collector-0", "engagement_aggregator-0")
TARGETS = (("weibo", "qinghe-tea"), ("weibo", "qinghe-life"), ("wechat", "qinghe-tea"), ("douyin", "qinghe-tea"))
ONLY_ONE_WEIBO = ("video", "article")
KINDS: tuple[ContentKind, ...] = ("pictures", "pictures", "notice", "article", "video")
FAULTS_PER_CONTENT = 3
FEWEST_CONTENTS = 8
CONTENTS_PER_CAMPAIGN = 4

ADAPTER_POINTS = tuple(
    f"{where}:{effect}" for where in ("deciding", "recorded", "starting", "answered") for effect in ("orphan", "post")
)
AGGREGATOR_POINTS = (
    "open:after_fencing", "flush:begun", "flush:after_changelog", "flush:after_output", "flush:after_offsets",
    "flush:after_commit", "flush:after_disk",
)  # fmt: skip

PUBLISHING = {
    "weibo": ("statuses/share", "statuses/update/biz", "statuses/upload_pic/biz", "statuses/upload_url_text/biz"),
    "wechat": ("material/add_material", "draft/add", "freepublish/submit", "freepublish/get"),
    "douyin": ("video/upload_image", "video/create_image_text", "video/upload_video", "video/create_video"),
}
LISTENING = {
    "weibo": ("comments/show", "statuses/count"),
    "wechat": ("comment/list", "datacube/getarticletotaldetail"),
    "douyin": ("item/comment/list", "item/comment/reply/list", "video/video_data"),
}
OF_CONNECTIONS = ("refuse_connection", "drop_before", "drop_after", "slow", "http_500")
OF_LISTENING = ("short_page",)
# Weibo's tokens cannot be had anew without a person, and its throttle lasts to the full hour: no run waits so long.
OF_LOGINS: dict[str, tuple[str, ...]] = {
    "weibo": ("slow_success",),
    "wechat": ("token_stolen", "token_expired", "rate_limit"),
    "douyin": ("token_stolen", "token_expired", "rate_limit"),
}

# The platforms' calls to us; an event's name would be a platform's own, so any of them.
OF_CALLS: dict[str, tuple[str, ...]] = {
    "weibo": (),
    "wechat": ("webhook_thrice", "webhook_lost"),
    "douyin": ("webhook_thrice", "webhook_lost"),
}

# kind → weight. "platform" stands for the faults that the simulator does.
WEIGHTS = {
    "kill_9": 26, "kill_9_at_point": 10, "terminate": 4, "freeze": 5, "broker_kill_9": 3, "broker_restart": 2,
    "platform": 50,
}  # fmt: skip
# Drawn first, in this order, so that the shortest run has a bit of everything.
ALWAYS = (
    "kill_9_at_point", "drop_after", "kill_9", "broker_kill_9", "rate_limit", "token_stolen", "kill_9", "short_page",
    "freeze", "drop_before", "kill_9_at_point", "drop_after", "webhook_thrice", "refuse_connection", "kill_9",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A content to hand to the publisher; `due_in_s` 0 means at once."""

    content_id: str
    campaign_id: str
    kind: ContentKind
    targets: tuple[tuple[str, str], ...]
    due_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that breaks. where: a process or a platform. at: the endpoint or the named point, "" = any moment.

    for_s: how long it is away or held up. count: how many calls it strikes.
    """

    number: int
    kind: str
    where: str
    at: str = ""
    for_s: float = 0.0
    count: int = 1

    @property
    def of_platform(self) -> bool:
        return self.where in PUBLISHING

    def __str__(self) -> str:
        times = f" ×{self.count}" if self.count > 1 else ""
        return f"#{self.number} {self.kind} {self.where}{f' at {self.at}' if self.at else ''}{times} {self.for_s:.1f}s"


@dataclass(frozen=True, slots=True)
class Step:
    """after_s: seconds since the step before."""

    after_s: float
    what: Publication | Fault


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    seed: int
    steps: tuple[Step, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(step.what for step in self.steps if isinstance(step.what, Fault))

    @property
    def publications(self) -> tuple[Publication, ...]:
        return tuple(step.what for step in self.steps if isinstance(step.what, Publication))


def planned(seed: int, faults: int) -> ChaosPlan:
    chance = random.Random(f"chaos:{seed}")
    contents = [_publication(chance, n) for n in range(max(FEWEST_CONTENTS, faults // FAULTS_PER_CONTENT))]
    drawn = [_fault(chance, n) for n in range(faults)]
    steps = list(_mixed(chance, contents, drawn))
    return ChaosPlan(seed, tuple(steps))


def _mixed(chance: random.Random, contents: list[Publication], faults: list[Fault]) -> Iterator[Step]:
    """Contents spread over the faults, the first of them before any fault."""
    before: dict[int, list[Publication]] = {}
    for n, content in enumerate(contents):
        before.setdefault(n * len(faults) // len(contents), []).append(content)
    for n, fault in enumerate(faults):
        for content in before.get(n, ()):
            yield Step(chance.uniform(0, 0.5), content)
        yield Step(chance.uniform(0.5, 3.0), fault)
    for content in before.get(len(faults), ()):
        yield Step(0.0, content)


def _publication(chance: random.Random, n: int) -> Publication:
    kind = chance.choice(KINDS)
    chosen = chance.sample(TARGETS, chance.choice((2, 3, 4)))
    targets = tuple(target for target in TARGETS if target in chosen and _takes(target, kind))
    return Publication(
        content_id=f"c{n:04d}x",
        campaign_id=f"chaos-{n // CONTENTS_PER_CAMPAIGN}",
        kind=kind,
        targets=targets or TARGETS[:1],
        due_in_s=chance.choice((0.0, 0.0, chance.uniform(1, 10))),
    )


def _takes(target: tuple[str, str], kind: ContentKind) -> bool:
    """What a platform or the account's way of posting has no form for would be refused at the door."""
    platform, account = target
    if account == "qinghe-life":
        return kind not in ONLY_ONE_WEIBO
    return platform != "douyin" or kind in ("pictures", "video")


def _fault(chance: random.Random, n: int) -> Fault:
    kind = ALWAYS[n] if n < len(ALWAYS) else chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    match kind:
        case "kill_9" | "terminate":
            return Fault(number=n, kind=kind, where=chance.choice(SERVICES), for_s=chance.choice((0.0, 0.5, 3.0)))
        case "kill_9_at_point":
            where = chance.choice((*ADAPTERS, "engagement_aggregator-0"))
            points = ADAPTER_POINTS if where in ADAPTERS else AGGREGATOR_POINTS
            return Fault(number=n, kind=kind, where=where, at=chance.choice(points))
        case "freeze":
            return Fault(number=n, kind=kind, where=chance.choice(SERVICES), for_s=chance.uniform(1, 13))
        case "broker_kill_9" | "broker_restart":
            return Fault(number=n, kind=kind, where="kafka", for_s=chance.choice((0.0, 1.0, 4.0)))
        case _:
            return _of_platform(chance, n, None if kind == "platform" else kind)


def _of_platform(chance: random.Random, n: int, kind: str | None) -> Fault:
    kinds = {one: (*OF_CONNECTIONS, *OF_LISTENING, *OF_LOGINS[one], *OF_CALLS[one]) for one in PUBLISHING}
    platform = chance.choice([one for one in PUBLISHING if kind is None or kind in kinds[one]])
    kind = kind or chance.choice((*kinds[platform], "drop_after"))
    publishing = chance.random() < 0.6
    at = chance.choice((PUBLISHING if publishing else LISTENING)[platform])
    count = chance.choice((1, 1, 2))
    match kind:
        case "refuse_connection":
            return Fault(number=n, kind=kind, where=platform, at="*", for_s=chance.uniform(0.5, 4))
        case "webhook_thrice" | "webhook_lost":
            return Fault(number=n, kind=kind, where=platform, at="*", count=count)
        case "short_page":
            return Fault(number=n, kind=kind, where=platform, at=LISTENING[platform][0], count=count)
        case "slow_success":
            return Fault(number=n, kind=kind, where=platform, at=PUBLISHING[platform][0], count=count)
        case "slow":
            return Fault(number=n, kind=kind, where=platform, at=at, for_s=chance.uniform(0.5, 5), count=count)
        case _:
            return Fault(number=n, kind=kind, where=platform, at=at, count=count)
