"""The publisher over real HTTP on the real broker: once on the log, and the same answer ever after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from schemas.codec import decoder, encode
from schemas.events.content import ContentCancelled, MasterContent
from schemas.events.placement import HistoryEntry, PlacementRecord, PostRef
from services.runtime.kafka.partitions import partition_of
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.reader import read_partition
from services.runtime.kafka.records import Outgoing, Record
from services.runtime.settings import KafkaSettings
from tests.publisher.conftest import Running, Start, content, picture
from tests.waiting import wait_for

pytestmark = pytest.mark.kafka


def on_the_log(kafka: KafkaSettings, campaign_id: str) -> list[tuple[Record, Any]]:
    """Every event of the campaign, in order."""
    partition = partition_of(campaign_id, kafka.partitions)
    decode = decoder("master-content")
    found = [
        (record, decode(record.value)) for record in read_partition(kafka, "master-content", partition) if record.value
    ]
    return [(record, event) for record, event in found if event.campaign_id == campaign_id]


def contents(kafka: KafkaSettings, campaign_id: str) -> list[MasterContent]:
    return [event for _, event in on_the_log(kafka, campaign_id) if isinstance(event, MasterContent)]


def test_an_accepted_content_is_on_the_log_under_its_key_in_the_campaigns_partition(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    body = content(campaign["campaign_id"])
    answer = publisher.http.post("/contents", json=body)
    assert answer.status_code == 202
    (_, defined), (record, master) = on_the_log(kafka, campaign["campaign_id"])
    assert defined.objective == "launch"
    assert record.key == body["content_id"].encode()
    assert (master.brand_id, master.title) == ("qinghe", body["title"])
    assert [one["state"] for one in answer.json()["placements"]] == ["ACCEPTED_BY_PUBLISHER"] * 2


def test_the_same_key_gives_the_first_answer_byte_for_byte(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    body, headers = content(campaign["campaign_id"]), {"Idempotency-Key": "one-and-only-" + campaign["campaign_id"]}
    body["targets"][0]["schedule"] = {"in_s": 30}
    answers = [publisher.http.post("/contents", json=body, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true", "true"]
    assert len(contents(kafka, campaign["campaign_id"])) == 1


def test_content_id_and_version_are_a_key_of_their_own(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    body = content(campaign["campaign_id"])
    first = publisher.http.post("/contents", json=body)
    spaced = msgspec.json.format(msgspec.json.encode(body), indent=4)
    again = publisher.http.post("/contents", content=spaced, headers={"Idempotency-Key": "another-one"})
    assert again.content == first.content
    other = publisher.http.post("/contents", json=body | {"title": "另一个标题"})
    assert other.status_code == 409
    assert other.json()["problems"][0]["code"] == "version_already_accepted"
    assert len(contents(kafka, campaign["campaign_id"])) == 1


def test_a_key_used_for_another_request_is_a_conflict(publisher: Running, campaign: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": "shared-" + campaign["campaign_id"]}
    assert publisher.http.post("/contents", json=content(campaign["campaign_id"]), headers=headers).status_code == 202
    other = publisher.http.post("/contents", json=content(campaign["campaign_id"]), headers=headers)
    assert other.status_code == 409
    assert other.json()["problems"][0]["field"] == "Idempotency-Key"


def test_concurrent_same_requests_make_one_record_and_one_answer(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    body = content(campaign["campaign_id"])
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: publisher.http.post("/contents", json=body), range(24)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(contents(kafka, campaign["campaign_id"])) == 1


def test_a_restarted_publisher_gives_the_same_answers_from_the_log(
    publisher: Running, campaign: dict[str, Any], start: Start, kafka: KafkaSettings
) -> None:
    body = content(campaign["campaign_id"])
    first = publisher.http.post("/contents", json=body, headers={"Idempotency-Key": "k-" + body["content_id"]})
    restarted = start(kafka)
    again = restarted.http.post("/contents", json=body, headers={"Idempotency-Key": "k-" + body["content_id"]})
    assert (again.status_code, again.content) == (202, first.content)
    assert restarted.http.post("/campaigns", json=campaign).headers["Idempotent-Replayed"] == "true"
    assert restarted.http.post("/contents", json=body | {"title": "改"}).status_code == 409
    assert len(contents(kafka, campaign["campaign_id"])) == 1


def test_of_two_publishers_racing_the_log_decides_and_both_answer_alike(
    publisher: Running, campaign: dict[str, Any], start: Start, kafka: KafkaSettings
) -> None:
    other = start(kafka)
    for _ in range(5):
        body = content(campaign["campaign_id"])
        with ThreadPoolExecutor(2) as pool:
            posts = [pool.submit(one.http.post, "/contents", json=body) for one in (publisher, other)]
            answers = [post.result() for post in posts]
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1


def test_a_refused_content_leaves_no_trace(publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings) -> None:
    body = content(campaign["campaign_id"], title="长" * 80)
    refused = publisher.http.post("/contents", json=body)
    assert refused.status_code == 422
    assert {one["target"] for one in refused.json()["problems"]} == {"toy/tea/main", "other/tea/main"}
    assert contents(kafka, campaign["campaign_id"]) == []
    assert publisher.http.get(f"/contents/{body['content_id']}").status_code == 404
    assert publisher.http.post("/contents", json=body | {"title": "短"}).status_code == 202


def test_a_dry_run_answers_the_same_and_writes_nothing(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    body = content(campaign["campaign_id"])
    tried = publisher.http.post("/contents/check", json=body)
    assert tried.status_code == 200
    assert contents(kafka, campaign["campaign_id"]) == []
    done = publisher.http.post("/contents", json=body)
    assert done.json()["variants"] == tried.json()["variants"]
    new = {"campaign_id": "not-yet", "brand_id": "qinghe", "name": "新", "objective": "launch"}
    assert publisher.http.post("/contents/check", json=content("not-yet") | {"campaign": new}).status_code == 200
    assert publisher.http.post("/contents/check", json=content("not-yet")).status_code == 422


def test_a_newer_version_supersedes_and_an_older_one_is_refused(publisher: Running, campaign: dict[str, Any]) -> None:
    body = content(campaign["campaign_id"])
    assert publisher.http.post("/contents", json=body).status_code == 202
    assert publisher.http.post("/contents", json=body | {"version": 3, "title": "第三版"}).status_code == 202
    old = publisher.http.post("/contents", json=body | {"version": 2, "title": "第二版"})
    assert old.json()["problems"][0]["code"] == "version_not_newer"
    shown = publisher.http.get(f"/contents/{body['content_id']}").json()
    assert [one["version"] for one in shown["versions"]] == [1, 3]
    assert len(shown["placements"]) == 2


def test_a_campaign_with_another_definition_is_a_conflict(publisher: Running, campaign: dict[str, Any]) -> None:
    assert publisher.http.post("/campaigns", json=campaign).status_code == 202
    assert publisher.http.post("/campaigns", json=campaign | {"name": "另一个"}).status_code == 409


def test_cancelling_is_on_the_log_once(publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings) -> None:
    body = content(campaign["campaign_id"])
    publisher.http.post("/contents", json=body)
    address, request = f"/contents/{body['content_id']}/cancel", {"reason": "价格写错了", "actor": "小王"}
    first, again = publisher.http.post(address, json=request), publisher.http.post(address, json=request)
    assert (first.status_code, first.content) == (202, again.content)
    cancels = [event for _, event in on_the_log(kafka, campaign["campaign_id"]) if isinstance(event, ContentCancelled)]
    assert [(one.version, one.reason) for one in cancels] == [(1, "价格写错了")]
    assert publisher.http.post(address, json=request | {"version": 9}).status_code == 422
    assert publisher.http.post("/contents/nothing/cancel", json=request).status_code == 404
    assert publisher.http.get(f"/contents/{body['content_id']}").json()["cancelled"][0]["actor"] == "小王"


def test_where_a_placement_stands_follows_the_ledger(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    answer = publisher.http.post("/contents", json=content(campaign["campaign_id"])).json()
    planned = answer["placements"][0]
    address = f"/placements/{planned['placement_id']}"
    before = publisher.http.get(address).json()
    assert (before["status"]["state"], before["record"]) == ("ACCEPTED_BY_PUBLISHER", None)
    (master,) = contents(kafka, campaign["campaign_id"])
    record = PlacementRecord(
        event_id=f"{planned['placement_id']}:1", occurred_at=master.occurred_at, observed_at=master.occurred_at,
        brand_id=master.brand_id, campaign_id=master.campaign_id, trace_id="t", placement_id=planned["placement_id"],
        content_id=master.content_id, content_version=1, kind="notice", platform="toy", account="tea", slot="main",
        state="LIVE", since=master.occurred_at, due_at=master.occurred_at, late_until=master.occurred_at,
        post=PostRef(native_id="1", url="https://toy.example/1", published_at=master.occurred_at),
        history=(HistoryEntry(at=master.occurred_at, state="LIVE", note="已上线"),),
    )  # fmt: skip
    producer = Producer(kafka, "test")
    key, partition = record.placement_id.encode(), partition_of(record.campaign_id, kafka.partitions)
    producer.send(Outgoing("placement-ledger", encode(record), key, partition))
    producer.close()
    wait_for(lambda: publisher.http.get(address).json()["status"]["state"] == "LIVE", "the status is live")
    shown = publisher.http.get(address).json()
    assert shown["status"]["url"] == "https://toy.example/1"
    assert shown["status"]["state_zh"] == "已上线"
    assert shown["record"]["history"][0]["note"] == "已上线"
    listed = publisher.http.get("/placements", params={"campaign": campaign["campaign_id"]}).json()["placements"]
    assert sorted(one["state"] for one in listed) == ["ACCEPTED_BY_PUBLISHER", "LIVE"]
    assert publisher.http.get(f"/campaigns/{campaign['campaign_id']}").json()["states"] == {
        "ACCEPTED_BY_PUBLISHER": 1,
        "LIVE": 1,
    }


def test_uploaded_media_is_used_by_its_hash(publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings) -> None:
    stored = publisher.http.post("/media", content=picture()).json()
    medium = {"media_id": "cover", "role": "cover", "sha256": stored["sha256"]}
    answer = publisher.http.post("/contents", json=content(campaign["campaign_id"], media=[medium]))
    assert answer.status_code == 202
    (master,) = contents(kafka, campaign["campaign_id"])
    assert msgspec.to_builtins(master.media[0]) == {"media_id": "cover", "role": "cover", **stored}


@pytest.mark.parametrize(
    ("method", "path", "arguments", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/contents/none", {}, 404),
        ("GET", "/campaigns/none", {}, 404),
        ("GET", "/placements/none", {}, 404),
        ("GET", "/placements?campaign=none", {}, 404),
        ("GET", "/placements", {}, 422),
        ("DELETE", "/contents", {}, 405),
        ("PUT", "/media", {"content": b"x"}, 405),
        ("POST", "/contents", {}, 400),
        ("POST", "/contents", {"content": b"{"}, 400),
        ("POST", "/contents", {"content": b"\xff\xfe"}, 400),
        ("POST", "/contents", {"content": b"[" * 50_000}, 400),
        ("POST", "/contents", {"content": b"[]"}, 422),
        ("POST", "/contents", {"data": {"campaign_id": "c"}}, 400),
        ("POST", "/contents", {"content": b" " * 3_000_000}, 413),
        ("POST", "/contents", {"json": {}}, 422),
        ("POST", "/contents", {"json": {}, "headers": {"Idempotency-Key": "k" * 256}}, 422),
        ("POST", "/contents/check", {"json": {"campaign": 1}}, 422),
        ("POST", "/contents/none/cancel", {"json": {}}, 422),
        ("POST", "/contents/none/cancel", {"json": {"reason": "x", "actor": "y"}}, 404),
        ("POST", "/campaigns", {"json": {"campaign_id": "c", "brand_id": "b", "name": "n"}}, 422),
        ("POST", "/media", {}, 422),
        ("POST", "/media", {"content": b"hello"}, 422),
        ("POST", "/media", {"content": picture()[:70]}, 422),
        ("POST", "/media", {"content": picture(), "headers": {"X-Content-SHA256": "zz"}}, 422),
        ("POST", "/media", {"content": picture(), "headers": {"X-Content-SHA256": "0" * 64}}, 422),
        ("POST", "/media", {"files": {"file": b"x"}}, 415),
    ],
)
def test_every_bad_request_gets_a_problem_document(
    publisher: Running, method: str, path: str, arguments: dict[str, Any], status: int
) -> None:
    answer = publisher.http.request(method, path, **arguments)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert {"type", "title", "detail", "instance"} <= document.keys()
    assert document["instance"] == path.partition("?")[0]
    if status == 422:
        assert document["problems"]
    for problem in document["problems"]:
        assert problem["message"]
        assert problem["message_en"]
        assert problem["way_out"]


def test_a_content_too_large_for_a_record_is_refused_and_the_next_one_is_not(
    publisher: Running, campaign: dict[str, Any], kafka: KafkaSettings
) -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(90_000))
    places = ({"platform": "toy"}, {"platform": "toy", "account": "tea"}, {"platform": "other"})
    variants = [place | {"text": "短", "body": noise} for place in places]
    large = content(campaign["campaign_id"], body=noise, variants=variants)
    refused = publisher.http.post("/contents", content=msgspec.json.encode(large))
    assert refused.status_code == 413
    assert refused.json()["problems"][0]["code"] == "content_too_large"
    assert contents(kafka, campaign["campaign_id"]) == []
    assert publisher.http.post("/contents", json=content(campaign["campaign_id"])).status_code == 202


def test_ends_before_it_starts_is_refused(publisher: Running) -> None:
    body = {
        "campaign_id": "backwards", "brand_id": "qinghe", "name": "n", "objective": "launch",
        "starts_at": "2026-11-11T00:00:00+08:00", "ends_at": "2026-11-10T00:00:00+08:00",
    }  # fmt: skip
    assert publisher.http.post("/campaigns", json=body).json()["problems"][0]["field"] == "ends_at"
