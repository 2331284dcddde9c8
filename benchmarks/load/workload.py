"""The workload: feedback events of the real types, field for field as the collector writes them, seeded.

Events are written from templates that the event types themselves encoded, so a million take seconds and still decode
as what they are. The generator keeps its own count (`Truth`); it shares nothing with any contender's fold.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from benchmarks.load.truth import COLLECTED, FOLLOWS, LIKES, SAVES, SHARES, TOTAL_COMMENTS, VIEWS, Names, Truth
from schemas.events.feedback import (
    CommentObserved,
    FollowersObserved,
    Metric,
    MetricsObserved,
    Reading,
    Readings,
    ReplyPosted,
)
from services.adapter_douyin.feedback import NATIVE as DOUYIN
from services.adapter_wechat.feedback import NATIVE as WECHAT
from services.adapter_weibo.feedback import NATIVE as WEIBO
from services.runtime.kafka.partitions import partition_of

PARTITIONS = 4
# Five minutes before an hour and, in Shanghai, a day ends: windows of all four lengths close on the way.
START = datetime(2026, 3, 21, 15, 55, tzinfo=UTC)
PLATFORMS: tuple[tuple[str, Mapping[Metric, str]], ...] = (("weibo", WEIBO), ("wechat", WECHAT), ("douyin", DOUYIN))
_POSTS_PER_CONTENT, _POSTS_PER_CAMPAIGN, _BRANDS = 5, 50, 8
_FIRST_POST, _FIRST_COMMENT = 5_012_345_000_000_000, 5_112_345_000_000_000
_TWELVE_BYTES, _SIXTEEN_BYTES = (1 << 96) - 1, (1 << 128) - 1
_PLACES: dict[Metric, int] = {
    "views": VIEWS, "likes": LIKES, "comments": TOTAL_COMMENTS, "shares": SHARES, "saves": SAVES, "follows": FOLLOWS,
}  # fmt: skip
_TEXTS = tuple(
    text.encode()
    for text in (
        "求链接", "已下单，等收货", "太好喝了吧😭😭 已回购", "冷泡会不会涩？", "这个颜色也太好看了", "线下哪里有卖",
        "上周买过，朋友都问我在哪里买的", "回复：不涩，我泡了一夜都不苦", "支持国货", "包装能不能再简单一点",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """events over posts; rate: events per second of *event time*, which has nothing to do with how fast they are read.

    comments, replies, followers: share of the events; the rest are snapshots. duplicates: share of comments delivered
    twice. disorder: share of snapshots that arrive after younger ones, within their minute. sweep: snapshots go round
    the posts in turn instead of by chance.
    """

    events: int
    posts: int
    rate: float = 5_000.0
    seed: int = 5
    comments: float = 0.18
    replies: float = 0.01
    followers: float = 0.01
    duplicates: float = 0.01
    disorder: float = 0.001
    sweep: bool = False
    start: datetime = START


class Feedback(NamedTuple):
    """One record of the topic."""

    partition: int
    key: bytes
    value: bytes
    post: int
    micros: int


class _Identity(NamedTuple):
    partition: int
    key: bytes
    fields: dict[bytes, Any]


def feedback(shape: Shape, truth: Truth) -> Iterator[Feedback]:
    """Exactly `shape.events` records in the order of writing; `truth` has counted each that was yielded."""
    return _Writer(shape, truth).records()


class _Writer:
    def __init__(self, shape: Shape, truth: Truth) -> None:
        self._shape, self._truth = shape, truth
        self._random = random.Random(shape.seed)
        self._sequences = [0] * shape.posts
        self._partitions: dict[int, int] = {}
        self._comments = 0
        self._second, self._prefix = -1, b""

    def records(self) -> Iterator[Feedback]:
        shape, chance, made = self._shape, self._random.random, 0
        step = 1_000_000 / shape.rate
        until_comment = shape.comments
        until_reply = until_comment + shape.replies
        until_followers = until_reply + shape.followers
        while made < shape.events:
            micros = int(made * step)
            self._truth.reach(micros // 60_000_000)
            draw = chance()
            if draw >= until_followers:
                record = self._snapshot(made % shape.posts if shape.sweep else int(chance() * shape.posts), micros)
            elif draw < until_comment:
                record = self._comment(int(chance() ** 2 * shape.posts), micros)
            elif draw < until_reply:
                record = self._reply(int(chance() * shape.posts), micros)
            else:
                record = self._followers(int(chance() * shape.posts), micros)
            for one in self._as_delivered(record, draw, shape.events - made):
                made += 1
                yield one

    def _as_delivered(self, record: Feedback, draw: float, room: int) -> Sequence[Feedback]:
        """Mostly the record itself; now and then it comes twice, or behind a younger one of the same post."""
        if room > 1:
            if draw < self._shape.comments * self._shape.duplicates:
                return record, record
            if draw >= 1 - self._shape.disorder and record.micros % 60_000_000 < 59_000_000:
                return self._snapshot(record.post, record.micros + 1), record
        return (record,)

    def _snapshot(self, post: int, micros: int) -> Feedback:
        self._sequences[post] += 1
        values = self._truth.values[post]
        grown = self._random.getrandbits(16)
        platform, native = PLATFORMS[post % 3]
        for metric in native:
            place = _PLACES[metric]
            values[place] += _growth(place, grown)
        self._truth.snapshot(post)
        identity = self._identity(post, micros)
        fields = identity.fields
        fields[b"sequence"] = self._sequences[post]
        fields[b"collected"] = values[COLLECTED]
        for metric in native:
            fields[metric.encode()] = values[_PLACES[metric]]
        return Feedback(identity.partition, identity.key, _METRICS[platform] % fields, post, micros)

    def _comment(self, post: int, micros: int) -> Feedback:
        self._comments += 1
        self._truth.comment(post)
        identity = self._identity(post, micros)
        identity.fields[b"comment"] = b"%d" % (_FIRST_COMMENT + self._comments)
        identity.fields[b"author"] = b"u-%012x" % self._random.getrandbits(48)
        identity.fields[b"text"] = _TEXTS[self._comments % len(_TEXTS)]
        return Feedback(identity.partition, identity.key, _COMMENT % identity.fields, post, micros)

    def _reply(self, post: int, micros: int) -> Feedback:
        self._comments += 1
        self._truth.reply(post)
        identity = self._identity(post, micros)
        identity.fields[b"comment"] = b"%d" % (_FIRST_COMMENT + self._comments - 1)
        identity.fields[b"reply"] = b"%d" % (_FIRST_COMMENT + self._comments)
        return Feedback(identity.partition, identity.key, _REPLY % identity.fields, post, micros)

    def _followers(self, post: int, micros: int) -> Feedback:
        identity = self._identity(post, micros)
        fields = identity.fields
        value = 100_000 + micros // 1_000_000
        fields[b"value"] = value
        key = fields[b"platform"] + b":" + fields[b"account"]
        self._truth.followed(fields[b"campaign"].decode(), fields[b"platform"].decode(), key.decode(), value)
        return Feedback(identity.partition, key, _FOLLOWERS % fields, -1, micros)

    def _identity(self, post: int, micros: int) -> _Identity:
        campaign = post // _POSTS_PER_CAMPAIGN
        partition = self._partitions.get(campaign)
        if partition is None:
            partition = self._partitions[campaign] = partition_of(campaign_id(post), PARTITIONS)
        second, rest = divmod(micros, 1_000_000)
        if second != self._second:
            self._second = second
            at = self._shape.start + timedelta(seconds=second)
            self._prefix = f"{at:%Y-%m-%dT%H:%M:%S}".encode()
        platform = PLATFORMS[post % 3][0].encode()
        native = b"%d" % (_FIRST_POST + post)
        key = platform + b":" + native
        fields: dict[bytes, Any] = {
            b"at": self._prefix + (b".%06dZ" % rest if rest else b"Z"),
            b"brand": b"brand-%d" % (campaign % _BRANDS),
            b"campaign": b"campaign-%05d" % campaign,
            b"content": b"content-%06d" % (post // _POSTS_PER_CONTENT),
            b"placement": b"pl-%024x" % (post * 0x9E3779B97F4A7C15F39C & _TWELVE_BYTES),
            b"trace": b"%032x" % (campaign * 0x9E3779B97F4A7C15F39CC060 & _SIXTEEN_BYTES),
            b"platform": platform,
            b"account": b"brand-%d-%s" % (campaign % _BRANDS, platform),
            b"native": native,
        }
        return _Identity(partition, key, fields)


def _growth(place: int, grown: int) -> int:
    """Views grow fast, saves seldom; each by other bits of one number."""
    return (grown & 63, grown >> 6 & 7, grown >> 9 & 1, grown >> 10 & 3, grown >> 12 & 1, grown >> 13 & 1)[place]


def brand_id(post: int) -> str:
    return f"brand-{post // _POSTS_PER_CAMPAIGN % _BRANDS}"


def campaign_id(post: int) -> str:
    return f"campaign-{post // _POSTS_PER_CAMPAIGN:05d}"


def content_id(post: int) -> str:
    return f"content-{post // _POSTS_PER_CONTENT:06d}"


def platform_of(post: int) -> str:
    return PLATFORMS[post % 3][0]


def post_key(post: int) -> str:
    return f"{platform_of(post)}:{_FIRST_POST + post}"


# --- templates: the events' own encoding, with marks where an event differs from the next ---------------------

_AT = datetime(2001, 2, 3, 4, 5, 6, 123456, tzinfo=UTC)
_IDS = {name: f"QQ{name}QQ" for name in (
    "brand", "campaign", "content", "placement", "trace", "platform", "account", "native", "comment", "author", "text",
    "reply",
)}  # fmt: skip
_NUMBERS = {
    name: 910_000_001 + number
    for number, name in enumerate((*_PLACES, "sequence", "collected", "value"))
}  # fmt: skip


def _template(event: msgspec.Struct) -> bytes:
    text = msgspec.json.encode(event).replace(b"%", b"%%").replace(b"2001-02-03T04:05:06.123456Z", b"%(at)b")
    for name, mark in _IDS.items():
        text = text.replace(mark.encode(), b"%%(%b)b" % name.encode())
    for name, number in _NUMBERS.items():
        text = text.replace(b"%d" % number, b"%%(%b)d" % name.encode())
    return text


def _of_post(kind: str) -> dict[str, Any]:
    return {
        "event_id": f"{_IDS['platform']}:{kind}", "occurred_at": _AT, "observed_at": _AT, "brand_id": _IDS["brand"],
        "trace_id": _IDS["trace"], "campaign_id": _IDS["campaign"], "content_id": _IDS["content"],
        "post_key": f"{_IDS['platform']}:{_IDS['native']}", "placement_id": _IDS["placement"],
        "platform": _IDS["platform"], "account": _IDS["account"], "native_id": _IDS["native"],
    }  # fmt: skip


def _metrics(native: Mapping[Metric, str]) -> bytes:
    readings = {metric: Reading(value=_NUMBERS[metric], native=name) for metric, name in native.items()}
    return _template(
        MetricsObserved(
            **_of_post(f"metrics:{_IDS['native']}:{_NUMBERS['sequence']}"),
            sequence=_NUMBERS["sequence"],
            readings=Readings(**readings),
            comments_collected=_NUMBERS["collected"],
            comments_total=_NUMBERS["comments"],
        )
    )


_METRICS = {platform: _metrics(native) for platform, native in PLATFORMS}
_COMMENT = _template(
    CommentObserved(
        **_of_post(f"comment:{_IDS['comment']}"),
        comment_id=_IDS["comment"],
        author=_IDS["author"],
        text=_IDS["text"],
        likes=0,
    )
)
_REPLY = _template(
    ReplyPosted(
        **_of_post(f"reply:{_IDS['reply']}"),
        comment_id=_IDS["comment"],
        reply_id=_IDS["reply"],
        text="不涩，冷水慢慢浸出来更甜 🍵",
        actor="林岚（值班）",
    )
)
_FOLLOWERS = _template(
    FollowersObserved(
        event_id=f"{_IDS['platform']}:followers:{_IDS['account']}:{_IDS['campaign']}:{START:%Y-%m-%dT%H}",
        occurred_at=_AT,
        observed_at=_AT,
        brand_id=_IDS["brand"],
        trace_id=_IDS["trace"],
        campaign_id=_IDS["campaign"],
        platform=_IDS["platform"],
        account=_IDS["account"],
        followers=Reading(value=_NUMBERS["value"], native="followers_count"),
    )
)

NAMES = Names(post=post_key, content=content_id, campaign=campaign_id, platform=platform_of)


def truth_of(shape: Shape) -> Truth:
    """An empty count for a workload of this shape."""
    return Truth(shape.posts, NAMES, int(shape.start.timestamp()))
