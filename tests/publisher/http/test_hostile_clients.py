"""The real process on the real broker under clients that send anything: no 5xx, no lost record, no made-up one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import decoder
from schemas.events.content import CampaignDefined, ContentCancelled, MasterContent
from services.cli.campaign.file import load
from services.publisher.api.problems import ProblemDocument
from services.publisher.api.text_safety import unsafe_texts
from services.runtime.kafka.reader import read_topic
from services.runtime.settings import KafkaSettings
from tests.publisher.desks.mutations import FRAGMENTS, broken, fragment, reworded
from tests.publisher.process import ROOT, Process, publisher_process

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
SEED = "20261111"
EXAMPLES = 160
# Not checked: that every request of the right shape is accepted. It may still not fit a platform.
UNSUITABLE = "positive_data_acceptance,use_after_free,ensure_resource_availability"
CAMPAIGN = {"campaign_id": "hostile", "brand_id": "qinghe", "name": "n", "objective": "launch"}
CANCEL = {"reason": "价格写错了", "actor": "小王", "version": 1}
WORDS = frozenset({"title", "key_message", "summary", "body", "text", "name", "reason", "actor"})
SAFE = st.sampled_from([one for one in FRAGMENTS if not list(unsafe_texts(one))])
REFUSED = {400, 404, 409, 413, 415, 422}

Identity = tuple[str, str, int]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, kafka: KafkaSettings) -> Iterator[Process]:
    with publisher_process(tmp_path_factory.mktemp("hostile"), kafka) as running:
        yield running


def test_clients_made_from_the_openapi_document_find_nothing(process: Process, tmp_path: Path) -> None:
    # One worker: threads of Python 3.11 that parse source at the same time end with "recursion depth mismatch".
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{process.url}/schema", "--url", process.url,
        "--header", f"Authorization: Bearer {process.token}", "--phases", "examples,coverage,fuzzing",
        "--max-examples", "10", "--seed", SEED, "--generation-database", "none", "--workers", "1", "--no-shrink",
        "--checks", "all", "--exclude-checks", UNSUITABLE, "--suppress-health-check", "all", "--continue-on-failure",
        "--warnings", "off", "--no-color",
    ]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=360, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "Tested: 13" in ran.stdout, ran.stdout[-2000:]
    assert process.crashes() == []


def test_broken_requests_get_a_reason_and_every_202_is_on_the_log_once(process: Process, kafka: KafkaSettings) -> None:
    demo = load(ROOT / "deploy/demo/campaign.yaml", suffix="hostile")
    told: list[Identity] = []
    answers = Counter[tuple[str, int]]()
    with process.client() as http:
        for media in demo.media:
            assert http.post("/media", content=media.path.read_bytes()).status_code == 201
        assert http.post("/campaigns", json=demo.campaign).status_code == 202
        told.append(("campaign", demo.campaign["campaign_id"], 0))

        @settings(
            max_examples=EXAMPLES, derandomize=True, database=None, deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(requests([one.request for one in demo.contents]))
        def send(sent: tuple[str, bytes]) -> None:
            kind, raw = sent
            path = {"campaign": "/campaigns", "cancel": f"/contents/{cancelled(told)}/cancel"}.get(kind, "/contents")
            answer = http.post(path, content=_as_new(raw, kind, sum(answers.values())))
            answers[kind, answer.status_code] += 1
            if answer.status_code == 202:
                told.append(identity_of(kind, answer))
            else:
                has_a_reason(answer)

        send()
    assert process.crashes() == []
    written = Counter(identity for identity in on_the_log(kafka) if "hostile" in identity[1])
    assert written == Counter(set(told))
    for kind in ("campaign", "content", "cancel"):
        assert answers[kind, 202] > 3, answers
    assert sum(count for (_, status), count in answers.items() if status == 422) > EXAMPLES / 5


def requests(contents: list[dict[str, Any]]) -> st.SearchStrategy[tuple[str, bytes]]:
    """What is sent: mostly contents, some of it no JSON any more."""
    others = [("campaign", CAMPAIGN), ("cancel", CANCEL)]
    wholes = st.sampled_from([*[("content", one) for one in contents], *others] * 2)

    @st.composite
    def made(draw: st.DrawFn) -> tuple[str, bytes]:
        kind, whole = draw(wholes)
        body = draw(broken(whole) | reworded(whole, WORDS) | reworded(whole, WORDS, SAFE))
        try:
            raw = msgspec.json.encode(body)
        except (UnicodeEncodeError, OverflowError):
            raw = b"{"
        if draw(st.integers(0, 15)) == 9:  # cut short, or with something in it that does not belong
            at = draw(st.integers(0, len(raw)))
            raw = draw(st.sampled_from((raw[:at], raw[:at] + draw(fragment).encode("utf-16") + raw[at:])))
        return kind, raw

    return made()


def _as_new(raw: bytes, kind: str, number: int) -> bytes:
    """An id of its own, so that one request is not refused because of another."""
    name = {"campaign": "campaign_id", "content": "content_id"}.get(kind, "")
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return raw
    if not isinstance(body, dict) or not str(body.get(name, "")).endswith("hostile"):
        return raw
    return msgspec.json.encode(body | {name: f"{number}-{body[name]}"})


def cancelled(told: list[Identity]) -> str:
    """A content that there is, if there is one."""
    return next((name for kind, name, _ in reversed(told) if kind == "content"), "none-yet")


def identity_of(kind: str, answer: httpx.Response) -> Identity:
    body = answer.json()
    return ("campaign", body["campaign_id"], 0) if kind == "campaign" else (kind, body["content_id"], body["version"])


def has_a_reason(answer: httpx.Response) -> None:
    assert answer.status_code in REFUSED, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = msgspec.json.decode(answer.content, type=ProblemDocument)
    assert document.status == answer.status_code
    assert document.problems or answer.status_code in (404, 413), "it does not say what to change"
    assert all(one.message and one.message_en and one.way_out for one in document.problems)


def on_the_log(kafka: KafkaSettings) -> Iterator[Identity]:
    decode = decoder("master-content")
    for record in read_topic(kafka, "master-content"):
        match decode(record.value or b""):
            case CampaignDefined() as event:
                yield "campaign", event.campaign_id, 0
            case MasterContent() as event:
                yield "content", event.content_id, event.version
            case ContentCancelled() as event:
                yield "cancel", event.content_id, event.version
