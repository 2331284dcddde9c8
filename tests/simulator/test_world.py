from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.simulator.contract import SimComment, SimPost, World
from services.simulator.http.server import SimulatorServer
from tests.simulator.toy_platform import TOY_ACCOUNTS, ToyPlatform


class ForgetfulPlatform(ToyPlatform):
    """Gives the same id to every comment."""

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        return "always-the-same"


def a_post(sim: SimulatorServer, native_id: str) -> SimPost:
    return SimPost("toy", native_id, "main", "notice", "", "", sim.clock.now(), "live")


def test_two_comments_of_one_post_with_one_id_are_a_loud_mistake() -> None:
    with SimulatorServer(TOY_ACCOUNTS, platforms=[ForgetfulPlatform()], speed=0) as sim:
        post = a_post(sim, "t1")
        sim.world("toy").add_post(post)
        sim.clock.advance(86_400)
        with pytest.raises(ValueError, match="always-the-same is given twice"):
            sim.world("toy").comments(post)


def test_a_post_goes_live_neither_in_the_future_nor_twice(sim: SimulatorServer) -> None:
    sim.clock.set_speed(0)
    world, post = sim.world("toy"), a_post(sim, "t1")
    post.state = "in_review"
    world.add_post(post)
    with pytest.raises(ValueError, match="future"):
        world.go_live(post, sim.clock.now() + timedelta(seconds=1))
    assert (post.state, post.live_at) == ("in_review", None)
    world.go_live(post, sim.clock.now())
    with pytest.raises(ValueError, match="went live before"):
        world.go_live(post, sim.clock.now())


def test_a_post_that_the_world_was_never_told_of_has_no_figures(sim: SimulatorServer) -> None:
    with pytest.raises(ValueError, match="never given to add_post"):
        sim.world("toy").counts(a_post(sim, "unknown"))


def test_figures_of_an_earlier_instant_can_be_asked_for(sim: SimulatorServer) -> None:
    sim.clock.set_speed(0)
    world, post, live_at = sim.world("toy"), a_post(sim, "t1"), sim.clock.now()
    world.add_post(post)
    sim.clock.advance(600)
    after_ten_minutes = world.counts(post)
    sim.clock.advance(86_400)
    assert world.counts(post, live_at + timedelta(seconds=600)) == after_ten_minutes
    assert world.counts(post)["views"] > after_ten_minutes["views"] > 0
    assert set(world.counts(post, live_at - timedelta(seconds=1)).values()) == {0}


def test_a_comment_made_by_the_api_is_counted_and_stands_among_the_others_in_order_of_time(
    sim: SimulatorServer,
) -> None:
    sim.clock.set_speed(0)
    world, post = sim.world("toy"), a_post(sim, "t1")
    world.add_post(post)
    sim.clock.advance(600)
    before, asked_at = world.comments(post), sim.clock.now()
    world.add_comment(post, SimComment("own-1", "brand", "谢谢", asked_at, before[0].native_id))
    sim.clock.advance(86_400)
    comments = world.comments(post)
    assert comments[: len(before) + 1] == [*before, comments[len(before)]]
    assert comments[len(before)].native_id == "own-1"
    assert world.counts(post)["comments"] == len(comments) > len(before) + 1
    assert world.counts(post, asked_at - timedelta(seconds=1))["comments"] <= len(before)
    with pytest.raises(ValueError, match="own-1 is given twice"):
        world.add_comment(post, comments[len(before)])


def test_nobody_comments_on_a_post_that_is_not_live(sim: SimulatorServer) -> None:
    world, post = sim.world("toy"), a_post(sim, "t1")
    post.state = "in_review"
    world.add_post(post)
    with pytest.raises(ValueError, match="not live"):
        world.add_comment(post, SimComment("own-1", "brand", "谢谢", sim.clock.now()))


def test_ids_of_a_simulation_that_was_started_again_are_not_those_of_the_one_before() -> None:
    drawn = []
    for _ in range(2):
        with SimulatorServer(TOY_ACCOUNTS, platforms=[ToyPlatform()], seed=7) as sim:
            drawn.append(sim.world("toy").rng.getrandbits(128))
            sim.world("toy").reset()
            drawn.append(sim.world("toy").rng.getrandbits(128))
    assert len(set(drawn)) == 4, "who remembers posts of an earlier run would take a new post for an old one"


def test_the_number_of_live_posts_follows_each_change_of_state(sim: SimulatorServer) -> None:
    world, first, second = sim.world("toy"), a_post(sim, "t1"), a_post(sim, "t2")
    second.state = "in_review"
    for post in (first, second):
        world.add_post(post)
    assert world.live_posts("main") == 1
    world.go_live(second, sim.clock.now())
    assert world.live_posts("main") == 2
    first.state = "removed"
    assert world.live_posts("main") == 1
    world.reset()
    assert world.live_posts("main") == 0
