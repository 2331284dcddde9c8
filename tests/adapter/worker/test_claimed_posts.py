"""One post on the platform never belongs to two placements."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.events.placement import PlacementRecord
from services.adapter.contract.errors import NoAnswerError
from services.adapter.contract.publication import Accepted
from tests.adapter.scripted import Loop, Platform, content, live


def two_alike(platform: Platform) -> Loop:
    loop = Loop(platform)
    one = content()
    loop.take(msgspec.structs.replace(one, targets=(one.targets[0], msgspec.structs.replace(one.targets[0], slot="b"))))
    return loop


def owners(loop: Loop) -> dict[str, str | None]:
    newest = {record.slot: record for record in loop.records}
    return {slot: record.post.native_id if record.post else None for slot, record in newest.items()}


def test_two_lost_answers_with_equal_words_never_share_the_one_post_that_was_made() -> None:
    platform = Platform(answers={"submit": [NoAnswerError("x"), NoAnswerError("x")]}, looks=[live("77"), live("77")])
    loop = two_alike(platform)
    for _ in range(8):
        loop.clock.advance(60)
        loop.run(3)
    found = owners(loop)
    assert len(set(found.values())) == 2
    assert "77" in found.values()
    assert platform.calls.count("submit") == 3


def test_a_post_that_is_still_under_review_belongs_to_the_placement_that_made_it() -> None:
    platform = Platform(answers={"submit": [Accepted({"item_id": "5"}, "审核"), NoAnswerError("x")]})
    seen: list[frozenset[str]] = []
    find: Callable[..., object] = platform.find

    def looking(client: object, record: PlacementRecord, claimed: frozenset[str]) -> object:
        seen.append(claimed)
        return find(client, record, claimed)

    platform.find = looking  # type: ignore[method-assign, assignment]
    loop = Loop(platform)
    loop.stage.calls._most = 1  # one after the other, so that it is known which of them is accepted
    one = content()
    loop.take(msgspec.structs.replace(one, targets=(one.targets[0], msgspec.structs.replace(one.targets[0], slot="b"))))
    for _ in range(2):
        loop.clock.advance(60)
        loop.run(4)
    assert seen
    assert all("5" in claimed for claimed in seen)


def test_what_is_no_id_in_a_result_claims_nothing() -> None:
    """A platform that leaves an id empty, or names a kind beside it, does so for every post."""
    first = Accepted({"item_id": "5", "video_id": "", "publish_id_type": "text"}, "审核")
    second = Accepted({"item_id": "6", "video_id": "", "publish_id_type": "text"}, "审核")
    platform = Platform(answers={"submit": [first, NoAnswerError("x")]}, looks=[second, second])
    loop = two_alike(platform)
    for _ in range(3):
        loop.clock.advance(60)
        loop.run(2)
    assert {record.slot: record.state for record in loop.records} == {"main": "ACCEPTED", "b": "ACCEPTED"}


def test_a_followed_post_that_another_placement_has_is_not_claimed_twice() -> None:
    platform = Platform(
        answers={"submit": [Accepted({}, "等待"), Accepted({}, "等待")]}, follows=[live("3"), live("3")]
    )
    loop = two_alike(platform)
    for _ in range(3):
        loop.clock.advance(6)
        loop.run(3)
    states = sorted({record.slot: record.state for record in loop.records}.values())
    assert states == ["LIVE", "NEEDS_HUMAN"]
