"""Five hundred posts due in the same second on one account: each ends, and none goes out faster than the limit."""

from __future__ import annotations

import bisect
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from services.adapter.contract.registry import platforms
from services.runtime.kafka.reader import read_topic
from tests.pipeline.stack import ACCOUNTS, Stack, content

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

POSTS, CALLS, PER_S = 500, 200, 10.0
LATE_S = 1.0
# Few calls at a time: how long one is on its way must not differ by the second that the limit leaves for that. And
# patient ones: a lost answer is another story, told in test_lost_answers.
SETTINGS = {"TONGBO_MOST_CALLS": "32", "TONGBO_CALL_TIMEOUT_S": "30"}
TOPICS = ("placement-ledger", "platform-capability", "engagement-alert", "operator-command", "master-content")
SECRET_FIELDS = ("app_secret", "access_token", "refresh_token")


def _limited(folder: Path) -> Path:
    """The demo accounts; the one that posts is allowed two hundred posts in ten seconds."""
    declared = msgspec.yaml.decode(ACCOUNTS.read_bytes())
    for account in declared["accounts"]:
        if (account["platform"], account["account"]) == ("weibo", "qinghe-tea"):
            account["options"] |= {"budget.update": f"{CALLS}/{PER_S}", "budget.*": "100000/3600"}
    path = folder / "accounts.yaml"
    path.write_bytes(msgspec.yaml.encode(declared))
    return path


def _posted_at(stack: Stack) -> list[datetime]:
    return sorted(kept.real_time for kept in stack.simulator.simulation.calls if kept.endpoint == "statuses/update/biz")


def _most_within(times: list[float], seconds: float) -> int:
    return max(bisect.bisect_left(times, start + seconds) - n for n, start in enumerate(times))


def _secrets() -> list[bytes]:
    accounts = msgspec.yaml.decode(ACCOUNTS.read_bytes())["accounts"]
    return [account[name].encode() for account in accounts for name in SECRET_FIELDS if account.get(name)]


def _issued(stack: Stack) -> list[bytes]:
    """Every token in the credentials files: what the platforms gave during the run."""
    found = []
    for file in (stack.folder / "state" / "credentials").glob("*.json"):
        kept = msgspec.json.decode(file.read_bytes())
        found += [kept[name].encode() for name in ("access_token", "refresh_token") if kept.get(name)]
    return found


def test_five_hundred_posts_of_one_second_all_end_within_the_rate(tmp_path: Path) -> None:
    with Stack(tmp_path, speed=1.0) as stack:
        stack.start_kafka()
        stack.start("adapter_weibo", env=SETTINGS | {"TONGBO_ACCOUNTS": str(_limited(tmp_path))})
        contents = [
            content(f"c{n}", [("weibo", "qinghe-tea")], campaign_id=f"campaign-{n % 8}", due_in_s=8)
            for n in range(POSTS)
        ]
        stack.publish(*contents)
        records = stack.wait("all placements final", lambda: stack.all_final(POSTS), patience_s=120)
        assert Counter(record.state for record in records.values()) == {"LIVE": POSTS}
        times = [at.timestamp() for at in _posted_at(stack)]
        assert len(times) == POSTS
        # A call that was reserved may reach a busy machine's platform this much later than its neighbours.
        assert _most_within(times, PER_S - LATE_S) <= CALLS
        assert times[-1] - times[0] >= (POSTS / CALLS - 1) * PER_S - LATE_S, "they were not held back at all"
        assert max(Counter(record.revision for record in records.values())) < 40


def test_no_secret_and_no_token_stands_in_a_log_or_a_topic(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        for platform, endpoint in (("douyin", "video/create_image_text"), ("wechat", "draft/add")):
            stack.simulator.set_fault(platform, endpoint, "token_expired", count=1)
        stack.start_kafka()
        for platform in platforms():
            stack.start(f"adapter_{platform}", env={"TONGBO_LOG_LEVEL": "debug"})
        targets = [(platform, "qinghe-tea") for platform in platforms()]
        pictures = [stack.picture("cover", "cover"), stack.picture("g", "gallery")]
        stack.publish(content("all", targets, kind="pictures", media=pictures))
        stack.wait("all placements final", lambda: stack.all_final(len(targets)))
        issued = _issued(stack)
        assert len(issued) >= 3, "no token was fetched: the hazard did not happen"
        shown = [file.read_bytes() for file in stack.folder.glob("*.log")]
        shown += [(raw.value or b"") + repr(raw.headers).encode() for t in TOPICS for raw in read_topic(stack.kafka, t)]
        assert len(shown) > len(targets)
        found = [secret for secret in {*_secrets(), *issued} for text in shown if secret in text]
        assert found == []
