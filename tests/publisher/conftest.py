"""A publisher on real Kafka and real HTTP, in this process, with a toy platform."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from schemas.topics import load_topics
from services.adapter.contract.accounts import Account, Accounts
from services.publisher.access.token_store import TokensFile
from services.publisher.app import Parts, application, assemble
from services.publisher.settings import PublisherSettings
from services.runtime.clock import SystemClock
from services.runtime.health import Health
from services.runtime.http.connections import ConnectionLimits
from services.runtime.http.server import HttpServer
from services.runtime.kafka.admin import ensure_topics
from services.runtime.settings import KafkaSettings
from tests.publisher.toy_adapter import registry
from tests.waiting import wait_for

ACCOUNTS = Accounts(
    tuple(
        Account(platform=platform, account=name, brand_id=brand, way="open")
        for platform, name, brand in (("toy", "tea", "qinghe"), ("other", "tea", "qinghe"), ("toy", "rival", "acme"))
    )
)


@dataclass
class Running:
    """A publisher that listens."""

    http: httpx.Client
    parts: Parts
    url: str

    def holding(self, *roles: str, brands: tuple[str, ...] = ("*",)) -> httpx.Client:
        """The same with a token of its own; closed by the garbage collector, tests are short."""
        token = self.parts.tokens.new(uuid.uuid4().hex, roles, brands, SystemClock().now())
        return client(self.url, token)


def client(url: str, token: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(kafka)` runs a publisher until the end of the test; several may run at once."""
    state = tmp_path / "state"
    token = TokensFile(state).renewed("test", SystemClock().now())
    with ExitStack() as ending:

        def run(
            kafka: KafkaSettings, *, wait: bool = True, limits: ConnectionLimits | None = None, **more: Any
        ) -> Running:
            settings = PublisherSettings(
                kafka=kafka, publisher_port=0, media_dir=tmp_path / "media", state_dir=state, **more
            )
            stop = threading.Event()
            parts = assemble(settings, ACCOUNTS, registry, SystemClock(), stop, Health())
            server = HttpServer("api", application(parts, settings), "127.0.0.1", 0, stop, lifespan=True, limits=limits)
            parts.follower.start()
            server.start()
            http = client(server.url, token)

            def end() -> None:
                http.close()
                server.close()
                stop.set()
                parts.follower.join(10)
                parts.writer.close()

            ending.callback(end)
            if wait:
                wait_for(lambda: parts.follower.ready, "the publisher has read the topics")
            return Running(http, parts, server.url)

        yield run


@pytest.fixture(scope="session")
def kafka(kafka_settings: KafkaSettings) -> KafkaSettings:
    """The broker with the real topics."""
    ensure_topics(kafka_settings, load_topics())
    return kafka_settings


@pytest.fixture
def publisher(start: Start, kafka: KafkaSettings) -> Running:
    return start(kafka)


@pytest.fixture
def campaign(publisher: Running) -> dict[str, Any]:
    """A campaign that is defined."""
    body = {
        "campaign_id": f"c-{uuid.uuid4().hex[:8]}",
        "brand_id": "qinghe",
        "name": "冷泡茶上市",
        "objective": "launch",
    }
    assert publisher.http.post("/campaigns", json=body).status_code == 202
    return body


def content(campaign_id: str, **changes: Any) -> dict[str, Any]:
    """A content that fits."""
    return {
        "campaign_id": campaign_id,
        "content_id": f"n-{uuid.uuid4().hex[:8]}",
        "kind": "notice",
        "title": "冷泡茶上新",
        "key_message": "冷泡三分钟，一口青山绿",
        "link": "https://qinghe.example/cold-brew",
        "declarations": {"origin": "original", "ai_generated": False, "advertisement": True},
        "confirm_similar": True,  # all tests say the same
        "targets": [{"platform": "toy", "account": "tea"}, {"platform": "other", "account": "tea"}],
    } | changes


def picture(width: int = 40, height: int = 30, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (40, 120, 60)).save(out, form)
    return out.getvalue()
