"""Brakes, cancels and other commands do not wait behind contents that take long to check."""

from __future__ import annotations

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.publisher.desks.contents import ContentHandler
from tests.publisher.conftest import Running, content
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka
DEFAULT_THREADS = min(32, (os.cpu_count() or 1) + 4)  # of the event loop's own executor


def test_a_brake_is_accepted_while_every_other_thread_checks_contents(
    publisher: Running, campaign: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, busy = threading.Event(), threading.Semaphore(0)
    check = ContentHandler.check

    def slow(self: ContentHandler, *arguments: Any) -> Any:
        busy.release()
        assert go_on.wait(120)
        return check(self, *arguments)

    monkeypatch.setattr(ContentHandler, "check", slow)
    body = content(campaign["campaign_id"])
    with ThreadPoolExecutor(DEFAULT_THREADS + 4) as clients:
        checks = [
            clients.submit(publisher.http.post, "/contents/check", json=body, timeout=200)
            for _ in range(DEFAULT_THREADS + 4)
        ]
        try:
            for _ in range(DEFAULT_THREADS):
                assert busy.acquire(timeout=60)
            why = {"reason": "停", "actor": "li"}
            brake = {"kind": "brake_set", "brand_id": f"brand-{uuid.uuid4().hex[:8]}", "scope": {"level": "brand"}}
            given = publisher.http.post("/commands", json=brake | why)
            assert given.status_code == 202, given.text
            brake_id = given.json()["command_id"]
            wait_for(
                lambda: brake_id in publisher.http.get("/brakes").text,
                "the brake is listed while the checks still hang",
            )
            assert not any(one.done() for one in checks)
            release = {
                "kind": "brake_release",
                "reason": "好",
                "actor": "li",
                "brake_id": brake_id,
                "brand_id": "qinghe",
            }
            publisher.http.post("/commands", json=release | {"command_id": f"r-{uuid.uuid4().hex}"})
        finally:
            go_on.set()
        assert {one.result().status_code for one in checks} == {200}
