"""The thread that reads the log does not end, whatever it meets, and no answer comes from a view that stands still."""

from __future__ import annotations

from typing import Any

import pytest

from services.publisher.log.follower import LogFollower
from tests.publisher.conftest import Running
from tests.waiting import wait_for


@pytest.mark.kafka
def test_after_an_error_that_nobody_expected_it_reads_on_and_says_meanwhile_that_it_does_not(
    publisher: Running, campaign: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/campaigns/{campaign['campaign_id']}"
    assert publisher.http.get(address).status_code == 200

    def failing(self: LogFollower, records: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr(LogFollower, "_note", failing)
        wait_for(lambda: publisher.parts.follower.stuck, "reading fails", 30)
        refused = publisher.http.get(address)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:tongbo:problem:log_not_followed")
        assert refused.headers["retry-after"]
        assert publisher.http.get("/health/ready").status_code == 503
    wait_for(lambda: not publisher.parts.follower.stuck, "it reads again", 60)
    assert publisher.http.get(address).status_code == 200
    assert publisher.http.post("/campaigns", json=campaign).status_code in (200, 202)
