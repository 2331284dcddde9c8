"""A fourth platform is one folder: dropped into a copy of the tree, it publishes a post without a change elsewhere."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.pipeline.stack import ROOT, Stack, content

pytestmark = pytest.mark.kafka

FOLDER = {
    "__init__.py": '''"""A throw-away platform."""
from services.adapter_bulletin.publish import ADAPTER

__all__ = ["ADAPTER"]
''',
    "__main__.py": """from services.adapter.worker.process import main

raise SystemExit(main("bulletin"))
""",
    "client.py": '''"""The board's only endpoint."""
from services.adapter.wire.http import PlatformHttp


class BulletinClient:
    def __init__(self, account, timeout_s, shared=None):
        self.account = account
        self.http = PlatformHttp(account.base_url, timeout_s)

    def pin(self, text):
        return self.http.call("POST", "/pin", json={"board": self.account.account, "text": text}).body["id"]
''',
    "publish.py": '''"""Everything the contract asks for, in one file because it is thrown away."""
from datetime import UTC, datetime

from schemas.events.feedback import Reading
from schemas.events.placement import Draft, PostRef
from services.adapter.contract.adapter import Adapter, Name, Timing
from services.adapter.contract.content import Limits, Localised
from services.adapter.contract.errors import ErrorTable
from services.adapter.contract.publication import Live, NotFound, Pending, Step
from services.adapter_bulletin.client import BulletinClient

PIN = Step("pin", "post", "贴上公告栏")


def localise(content, target, account):
    draft = Draft(platform="bulletin", account=account.account, form="note", text=content.key_message,
                  fingerprint=content.key_message, rules_version="1")
    return Localised(draft)


class Publication:
    def next_step(self, record):
        return None if record.result_of("pin") is not None else PIN

    def perform(self, client, record, step, media):
        native_id = client.pin(record.draft.text)
        return Live(PostRef(native_id=native_id, published_at=datetime.now(UTC)))

    def find(self, client, record, claimed):
        return NotFound()

    def follow(self, client, record):
        return Pending("")


class Feedback:
    def native_metrics(self):
        return {}

    def comment_pages(self, client, post, position, known, now):
        return iter(())

    def metrics(self, client, posts, now):
        return {}

    def followers(self, client, now):
        return Reading(reason="unsupported")


ADAPTER = Adapter(
    platform="bulletin", name=Name("公告栏", "Bulletin board"), ways=("pin",),
    limits=Limits(text={}, media=(), rates=(), kinds={"notice": "note"}), errors=ErrorTable("bulletin", {}),
    timing=Timing(1, 1, 2, 1), localise=localise, publication=Publication(), feedback=Feedback(),
    client=BulletinClient,
)
''',
    "simulator.py": '''"""The board."""
from services.simulator.contract import Endpoint, SimReply, SimPost


class Bulletin:
    platform = "bulletin"
    exposed = ()
    taken_faults = ()

    def endpoints(self):
        return [Endpoint("pin", "POST", "/pin", self.pin, mutating=True)]

    def pin(self, world, call):
        native_id = str(len(world.posts) + 1)
        now = world.now()
        world.add_post(SimPost(platform="bulletin", native_id=native_id, account=call.json["board"], kind="note",
                               title="", text=call.json["text"], created_at=now, state="live", live_at=now))
        return SimReply({"id": native_id})

    def not_found(self, call):
        return SimReply({"error": "no such path"}, 404)

    def fault_reply(self, kind, endpoint, call):
        return None

    def comment_id(self, world, post, ordinal, at):
        return f"{post.native_id}-{ordinal}"

    def tick(self, world):
        pass


SIMULATOR = Bulletin()
''',
}
ACCOUNT = """accounts:
  - {platform: bulletin, account: lobby, brand_id: qinghe, way: pin}
"""


def test_a_new_adapter_folder_is_all_a_new_platform_needs(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for part in ("schemas", "services"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tree / "services/adapter_bulletin"
    folder.mkdir()
    for name, text in FOLDER.items():
        (folder / name).write_text(text)
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text(ACCOUNT)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {"TONGBO_ACCOUNTS": str(accounts), "TONGBO_SIMULATOR_URL": url}
    with Stack(tmp_path / "run", root=tree) as stack:
        stack.start("simulator", arguments=["--port", str(port), "--accounts", str(accounts)])
        stack.start_kafka()
        stack.start("adapter_bulletin", env=env)
        stack.publish(content("hello", [("bulletin", "lobby")]))
        records = stack.wait("the placement is final", lambda: stack.all_final(1))
        assert [record.state for record in records.values()] == ["LIVE"]
        with urlopen(f"{url}/_sim/posts?platform=bulletin", timeout=10) as answer:
            assert [post["text"] for post in json.load(answer)] == ["冷水三分钟，一杯好茶"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
