"""Comments that callbacks brought, by the post they are on; they meet what polls find in the posts' own memory.

Kept for a while, because a comment may come before the ledger says that its post is live, or while another process
still has the post.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from schemas.events.feedback import post_key
from schemas.internal.callback import ArrivedComment, PlatformCallback

MOST_KEPT = 50_000
Arrived = tuple[ArrivedComment, ...]


class CallbackComments:
    """`put` is the follower's, the rest the loop's; thread-safe."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[str, str], tuple[str, ArrivedComment]] = OrderedDict()
        self._of_post: dict[str, list[tuple[str, str]]] = {}
        self._news: set[str] = set()
        self._lock = threading.Lock()

    def put(self, callback: PlatformCallback, _at: datetime) -> None:
        """The same comment told again is the same comment."""
        comment = callback.comment
        if comment is None:
            return
        post = post_key(callback.platform, comment.native_id)
        place = (post, comment.comment_id)
        with self._lock:
            if place in self._kept:
                return
            self._kept[place] = (callback.brand_id, comment)
            self._of_post.setdefault(post, []).append(place)
            self._news.add(post)
            while len(self._kept) > self._most:
                self._forget(next(iter(self._kept)))

    def news(self) -> set[str]:
        """Posts of which something came since the last call."""
        with self._lock:
            news, self._news = self._news, set()
            return news

    def again(self, post: str) -> None:
        """The post is to be among the news: it was taken up only now, or not all of it could be written."""
        with self._lock:
            if post in self._of_post:
                self._news.add(post)

    def of(self, post: str, brand_id: str) -> Arrived:
        """What came for this post, if it was this brand's account that was told: its authors bear the brand's names."""
        with self._lock:
            kept = [self._kept[place] for place in self._of_post.get(post, ())]
        return tuple(comment for brand, comment in kept if brand == brand_id)

    def _forget(self, place: tuple[str, str]) -> None:
        del self._kept[place]
        others = self._of_post[place[0]]
        others.remove(place)
        if not others:
            del self._of_post[place[0]]
