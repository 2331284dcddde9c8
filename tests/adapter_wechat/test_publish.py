from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from schemas.events.placement import PlacementRecord, StepRecord
from services.adapter.contract.errors import PlatformError
from services.adapter.contract.publication import Accepted, Live, Pending, Removed, Undecidable
from services.adapter_wechat.client import WechatClient
from services.adapter_wechat.publish import WechatPublication
from services.adapter_wechat.wire_types import Number, PublishStatus
from services.simulator.http.server import SimulatorServer
from tests.adapter_wechat.samples import ACCOUNT, OTHER, content, gallery, intended
from tests.adapter_wechat.worker import Worker

POSTING = ("media/uploadimg", "material/add_material", "draft/add", "freepublish/submit")


@pytest.fixture
def worker(sim: SimulatorServer, client: WechatClient) -> Worker:
    return Worker(sim, client)


def test_an_article_goes_live_with_its_pictures_in_place(sim: SimulatorServer, worker: Worker) -> None:
    record = worker.run(intended(content(), sim.clock.now()))
    assert record.state == "LIVE"
    assert [step.name for step in record.steps] == ["inline:garden", "cover:cover", "draft", "submit"]
    (post,) = sim.world("wechat").posts
    assert record.post is not None
    assert (record.post.native_id, record.post.url) == (post.native_id, post.data["url"])
    assert record.post.ids == {"publish_id": post.ids["publish_id"], "msg_data_id": post.ids["msg_data_id"], "idx": "1"}
    assert abs(record.post.published_at - (post.live_at or post.created_at)) < timedelta(seconds=1)
    article = post.data["article"]
    assert article["content"].count("<img") == 1  # the platform drops pictures from elsewhere
    assert "http://mmbiz.qpic.cn/" in article["content"]
    assert "media:" not in article["content"]
    assert article["thumb_media_id"] == record.result_of("cover:cover")["media_id"]  # type: ignore[index]
    assert (article["title"], article["author"]) == ("青禾春茶开园", "青禾茶事")
    assert article["need_open_comment"] == 1


def test_a_picture_post_keeps_the_order_of_its_pictures(sim: SimulatorServer, worker: Worker) -> None:
    record = worker.run(intended(gallery(3), sim.clock.now()))
    assert record.state == "LIVE"
    (post,) = sim.world("wechat").posts
    uploaded = [record.result_of(f"image:g-{n}")["media_id"] for n in range(3)]  # type: ignore[index]
    assert post.kind == "newspic"
    assert list(post.media) == uploaded
    assert "<" not in post.data["article"]["content"]


def test_non_ascii_words_arrive_as_themselves_and_never_escaped(sim: SimulatorServer, worker: Worker) -> None:
    title = "青禾👨‍👩‍👧茶 “春” ’s"
    worker.run(intended(content(title=title), sim.clock.now()))
    assert [post.title for post in sim.world("wechat").posts] == [title]


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "http_500"])
@pytest.mark.parametrize("endpoint", POSTING)
def test_an_answer_lost_at_any_step_never_posts_twice(
    sim: SimulatorServer, worker: Worker, endpoint: str, fault: str
) -> None:
    sim.set_fault("wechat", endpoint, fault, count=1)
    record = worker.run(intended(content(), sim.clock.now()))
    assert record.state == "LIVE"
    (post,) = sim.world("wechat").posts
    assert record.post is not None
    assert record.post.native_id == post.native_id
    assert record.post.ids["msg_data_id"] == post.ids["msg_data_id"]


def test_a_lost_submit_is_found_and_not_repeated(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", "freepublish/submit", "drop_after", count=1)
    record = worker.run(intended(content(), sim.clock.now()))
    submits = [call for call in sim.simulation.calls if call.endpoint == "freepublish/submit"]
    assert len(submits) == 1
    assert [entry.state for entry in record.history].count("UNKNOWN") == 1


def test_a_submit_that_never_arrived_is_looked_for_and_then_repeated(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", "freepublish/submit", "drop_before", count=1)
    record = worker.run(intended(content(), sim.clock.now()))
    assert record.state == "LIVE"
    assert sum(1 for entry in record.history if "没有找到" in entry.note) == 3
    assert len(sim.world("wechat").posts) == 1


def test_a_lost_submit_under_way_is_waited_for_before_it_shows(sim: SimulatorServer, worker: Worker) -> None:
    record = _lost_submit(sim, worker)
    look = worker.publication.find(worker.client, record, frozenset())
    assert isinstance(look, Accepted)
    accepted = worker.decider.after_step(record, worker.publication.next_step(record), look)  # type: ignore[arg-type]
    assert isinstance(worker.publication.follow(worker.client, accepted), Pending)
    sim.clock.advance(60)
    assert isinstance(worker.publication.follow(worker.client, accepted), Live)


def test_a_lost_submit_that_the_review_refused_ends_with_a_person(sim: SimulatorServer, worker: Worker) -> None:
    """Without its publish_id nobody can ask for the job, and it never shows: it must not wait for ever, nor repeat."""
    sim.set_fault("wechat", "freepublish/submit", "review_refused", count=1)
    record = _lost_submit(sim, worker)
    for _ in range(1000):
        record = worker.once(record)
        if record.state == "NEEDS_HUMAN":
            break
    assert record.state == "NEEDS_HUMAN"
    assert "审核" in record.waiting_on
    assert len(sim.world("wechat").posts) == 1


def _lost_submit(sim: SimulatorServer, worker: Worker) -> PlacementRecord:
    sim.set_fault("wechat", "freepublish/submit", "drop_after", count=1)
    record = intended(content(), sim.clock.now())
    while record.state != "UNKNOWN":
        record = worker.once(record)
    return record


def test_an_article_of_the_same_title_by_somebody_else_is_not_taken_for_ours(
    sim: SimulatorServer, worker: Worker
) -> None:
    theirs = worker.run(intended(content(), sim.clock.now(), slot="theirs"))
    ours = worker.run(_lost_submit(sim, worker))
    assert ours.state == "LIVE"
    assert ours.post is not None
    assert theirs.post is not None
    assert ours.post.native_id != theirs.post.native_id


def test_an_older_article_of_the_same_title_is_not_taken_for_ours(sim: SimulatorServer, worker: Worker) -> None:
    worker.run(intended(content(), sim.clock.now(), slot="old"))
    for post in sim.world("wechat").posts:  # as on a platform that tells no covers
        post.data["article"]["thumb_media_id"] = ""
    sim.clock.advance(3600)
    record = _lost_submit(sim, worker)
    assert isinstance(worker.publication.find(worker.client, record, frozenset()), Accepted)


def test_two_candidates_that_nothing_tells_apart_go_to_a_person(sim: SimulatorServer, worker: Worker) -> None:
    record = _lost_submit(sim, worker)
    worker.run(intended(content(), sim.clock.now(), slot="second"))
    sim.clock.advance(600)  # both are out, whichever took longer
    for post in sim.world("wechat").posts:
        post.data["article"]["thumb_media_id"] = ""
    look = worker.publication.find(worker.client, record, frozenset())
    assert isinstance(look, Undecidable)
    claimed = frozenset({sim.world("wechat").posts[1].native_id})
    found = worker.publication.find(worker.client, record, claimed)
    assert isinstance(found, Live)
    assert found.post.native_id == sim.world("wechat").posts[0].native_id


def test_a_refused_review_is_rejected_with_the_platforms_reason(sim: SimulatorServer, worker: Worker) -> None:
    sim.set_fault("wechat", "freepublish/submit", "review_refused", count=1)
    record = worker.run(intended(content(), sim.clock.now()))
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert (record.failure.error_class, record.failure.code) == ("content", "publish_status_4")


@pytest.mark.parametrize("endpoint", [*POSTING, "freepublish/get"])
def test_an_expired_token_is_renewed_and_the_call_repeated(sim: SimulatorServer, worker: Worker, endpoint: str) -> None:
    sim.set_fault("wechat", endpoint, "token_expired", count=1)
    record = worker.run(intended(content(), sim.clock.now()))
    assert record.state == "LIVE"
    assert len(sim.world("wechat").posts) == 1
    assert all(entry.failure is None for entry in record.history)


@pytest.mark.parametrize("endpoint", POSTING)
def test_a_rate_limit_delays_and_does_not_lose_the_post(sim: SimulatorServer, worker: Worker, endpoint: str) -> None:
    sim.set_fault("wechat", endpoint, "rate_limit", count=1)
    started = sim.clock.now()
    record = worker.run(intended(content(), started))
    assert record.state == "LIVE"
    assert sim.clock.now() - started >= timedelta(seconds=60)
    assert len(sim.world("wechat").posts) == 1


def test_a_draft_that_somebody_deleted_is_a_refusal_and_no_post(sim: SimulatorServer, worker: Worker) -> None:
    record = intended(content(), sim.clock.now())
    while record.result_of("draft") is None:
        record = worker.once(record)
    sim.world("wechat").state["drafts"].clear()
    record = worker.run(record)
    assert record.state == "REJECTED"
    assert record.failure is not None
    assert record.failure.code == "40007"


def test_an_account_without_the_interface_ends_with_a_person(
    sim: SimulatorServer, connect: Callable[..., WechatClient]
) -> None:
    sim.world("wechat").accounts[OTHER.account].options["level"] = "subscription"
    record = Worker(sim, connect(OTHER)).run(intended(content(), sim.clock.now()))
    assert record.state == "NEEDS_HUMAN"
    assert record.failure is not None
    assert record.failure.code == "48001"


@pytest.mark.parametrize(("options", "sent"), [({"publish_id": "text"}, str), ({"publish_id": "number"}, int)])
def test_a_publish_id_goes_back_in_the_type_in_which_it_came(
    worker: Worker, sim: SimulatorServer, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], sent: type
) -> None:
    sim.world("wechat").accounts[ACCOUNT.account].options.update(options, msg_data_id="in_submit")
    asked: list[object] = []
    original = WechatClient.publish_status

    def noting(self: WechatClient, publish_id: Number) -> PublishStatus:
        asked.append(publish_id)
        return original(self, publish_id)

    monkeypatch.setattr(WechatClient, "publish_status", noting)
    record = worker.run(intended(content(), sim.clock.now()))
    assert {type(one) for one in asked} == {sent}
    assert record.result_of("submit")["msg_data_id"] == record.post.ids["msg_data_id"]  # type: ignore[index,union-attr]


def test_a_post_taken_down_later_is_seen_as_removed(sim: SimulatorServer, worker: Worker) -> None:
    live = worker.run(intended(content(), sim.clock.now()))
    assert isinstance(worker.publication.follow(worker.client, live), Live)
    (post,) = sim.world("wechat").posts
    post.state = "removed"
    followed = worker.publication.follow(worker.client, live)
    assert isinstance(followed, Removed)
    assert "封禁" in followed.reason
    post.data["deleted_by_user"] = True
    assert "删除" in worker.publication.follow(worker.client, live).reason  # type: ignore[union-attr]
    found_by_looking = replace(
        live, steps=tuple(replace(s, result={}) if s.name == "submit" else s for s in live.steps)
    )
    assert isinstance(worker.publication.follow(worker.client, found_by_looking), Removed)
    unknown = replace(found_by_looking, post=replace(live.post, native_id="no-such-article"))  # type: ignore[type-var]
    assert isinstance(worker.publication.follow(worker.client, unknown), Removed)


def test_a_status_nobody_knows_is_loud(sim: SimulatorServer, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    record = intended(content(), sim.clock.now())
    while record.state != "ACCEPTED":
        record = worker.once(record)
    monkeypatch.setattr(WechatClient, "publish_status", lambda *_: PublishStatus(publish_status=9))
    with pytest.raises(PlatformError) as caught:
        worker.publication.follow(worker.client, record)
    assert not caught.value.recognised


def test_published_without_an_id_is_asked_again_and_not_shown_as_live(
    sim: SimulatorServer, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = intended(content(), sim.clock.now())
    while record.state != "ACCEPTED":
        record = worker.once(record)
    with monkeypatch.context() as patched:
        patched.setattr(WechatClient, "publish_status", lambda *_: PublishStatus(publish_status=0))
        record = worker.once(record)
    assert record.state == "ACCEPTED"
    assert worker.run(record).state == "LIVE"


def test_only_the_submit_can_make_a_post_and_steps_resume_where_the_record_says(sim: SimulatorServer) -> None:
    publication, record = WechatPublication(sim.clock.now), intended(content(), sim.clock.now())
    taken = []
    while (step := publication.next_step(record)) is not None:
        taken.append((step.name, step.effect))
        done = StepRecord(name=step.name, effect=step.effect, finished_at=record.since)
        record = replace(record, steps=(*record.steps, done))
    assert taken == [
        ("inline:garden", "orphan"),
        ("cover:cover", "orphan"),
        ("draft", "orphan"),
        ("submit", "post"),
    ]
