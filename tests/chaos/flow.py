"""Hands contents to the publisher as a client does that does not give up: again with the same key until it is taken."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from services.cli.publisher.client import PublisherClient, RefusedByPublisherError, UnreachableError
from tests.chaos.plan import Publication
from tests.chaos.verdict import BRAND
from tests.pipeline.stack import Stack

AGAIN_S = 0.5


class Flow:
    """A thread that publishes one content after the other; `waiting` counts those not yet accepted."""

    def __init__(self, stack: Stack, url: str, token: str) -> None:
        self.refused: dict[str, str] = {}
        self._stack, self._url, self._token = stack, url, token
        self._queue: queue.Queue[Publication | None] = queue.Queue()
        self._stop = threading.Event()
        self._defined: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="flow", daemon=True)
        self._pictures = [stack.picture("cover", "cover"), *(stack.picture(f"g{n}", "gallery") for n in range(2))]
        self._cover = self._pictures[:1]
        self._article = [stack.picture("only", "cover"), stack.picture("leaf", "inline")]
        self._film = [stack.picture("poster", "cover", (720, 1280)), stack.video("film")]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._queue.put(None)
        self._thread.join(90)

    @property
    def waiting(self) -> int:
        return self._queue.unfinished_tasks

    def put(self, publication: Publication) -> None:
        self._queue.put(publication)

    def _work(self) -> None:
        while (one := self._queue.get()) is not None:
            while not self._stop.is_set() and not self._taken(one):
                self._stop.wait(AGAIN_S)
            self._queue.task_done()

    def _taken(self, one: Publication) -> bool:
        """Whether there is an answer that counts; a new connection each time, as the process may be a new one."""
        with PublisherClient(self._url, self._token, patience_s=0) as client, suppress(UnreachableError):
            try:
                if one.campaign_id not in self._defined:
                    client.define(_campaign(one.campaign_id), f"campaign:{one.campaign_id}")
                    self._defined.add(one.campaign_id)
                client.publish(self._content(one), f"content:{one.content_id}")
                return True
            except RefusedByPublisherError as refusal:
                if refusal.document.status < 500:
                    self.refused[one.content_id] = str(refusal)
                    return True
        return False

    def _content(self, one: Publication) -> dict[str, Any]:
        media = {"pictures": self._pictures, "article": self._article, "video": self._film}.get(one.kind, self._cover)
        schedule = {"schedule": {"in_s": one.due_in_s}} if one.due_in_s else {}
        inline = "![茶叶](media:leaf)" if one.kind == "article" else ""
        return {
            "campaign_id": one.campaign_id, "content_id": one.content_id, "kind": one.kind, "version": 1,
            "title": f"青禾冷泡茶第{one.content_id}号", "key_message": "冷水三分钟，一杯好茶",
            "summary": f"夏天的新喝法 {one.content_id}",
            "body": f"冷水三分钟，一杯好茶。\n\n这是第 {one.content_id} 篇。\n\n{inline}",
            "topics": ["冷泡茶"], "link": "https://qinghe.example/new", "author": "青禾",
            "media": [{"media_id": m.media_id, "role": m.role, "sha256": m.sha256} for m in media],
            "declarations": {"origin": "original", "ai_generated": False, "advertisement": False},
            "targets": [{"platform": p, "account": a, **schedule} for p, a in one.targets],
        }  # fmt: skip


def _campaign(name: str) -> dict[str, Any]:
    return {"campaign_id": name, "brand_id": BRAND, "name": f"混沌演练 {name}", "objective": "engagement"}
