from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import pytest

from schemas.events.placement import PlacementRecord, PostRef
from services.adapter.contract.account import AccountCare
from services.adapter.contract.after_posting import Replies, Retraction
from services.adapter.contract.errors import NoAnswerError, PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter_weibo import ADAPTER
from services.adapter_weibo import aftercare as module
from services.adapter_weibo.aftercare import WeiboCare, WeiboReplies, WeiboRetraction
from services.adapter_weibo.callbacks import WeiboCallbacks
from services.adapter_weibo.client import WeiboClient
from services.adapter_weibo.settings import Looking
from services.adapter_weibo.wire_types import CommentRow, CommentRows, HitLimits, Hits, TokenInfo
from services.simulator.contract import SimComment, SimPost
from services.simulator.http.server import SimulatorServer
from tests.adapter_weibo.samples import ACCOUNTS, NOW, carry_on, content, record

Connect = Callable[..., WeiboClient]
RETRACTION: Retraction = WeiboRetraction()
REPLIES: Replies = WeiboReplies()
CARE: AccountCare = WeiboCare()
THANKS = "谢谢喜欢，春茶三月二十日开采🍵"


def paths(sim: SimulatorServer) -> list[str]:
    return [kept.path for kept in sim.simulation.calls]


def published(client: WeiboClient, sim: SimulatorServer, way: str = "commercial") -> tuple[PlacementRecord, LivePost]:
    placement, live = carry_on(client, record(content(), ACCOUNTS[way], sim.clock.now()))
    post = LivePost("pl-1", "c-1", "qinghe", "spring", ACCOUNTS[way].account, "notice", "", live.post)
    return msgspec.structs.replace(placement, state="LIVE", post=live.post), post


def some_comment(sim: SimulatorServer) -> SimComment:
    """One of the audience, an hour after the post."""
    sim.clock.advance(3600)
    return comments(sim)[0]


def the_post(sim: SimulatorServer) -> SimPost:
    return sim.world("weibo").posts[0]


def comments(sim: SimulatorServer) -> list[SimComment]:
    with sim.simulation.instant():
        return sim.world("weibo").comments(the_post(sim))


def ours(sim: SimulatorServer) -> list[SimComment]:
    accounts = {account.open_id for account in sim.world("weibo").accounts.values()}
    return [comment for comment in comments(sim) if comment.author in accounts]


def test_the_adapter_offers_what_the_platform_has() -> None:
    assert isinstance(ADAPTER.retraction, WeiboRetraction)
    assert isinstance(ADAPTER.replies, WeiboReplies)
    assert isinstance(ADAPTER.care, WeiboCare)
    assert isinstance(ADAPTER.callbacks, WeiboCallbacks)


# --- taking a post down ---


@pytest.mark.parametrize("way", ["open", "commercial"])
def test_a_retracted_post_is_gone(connect: Connect, sim: SimulatorServer, way: str) -> None:
    client = connect(way)
    placement, _ = published(client, sim, way)
    RETRACTION.retract(client, placement)
    assert the_post(sim).state == "removed"


def test_retracting_what_is_gone_already_is_a_success(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open")
    placement, _ = published(client, sim, "open")
    RETRACTION.retract(client, placement)
    RETRACTION.retract(client, placement)
    assert paths(sim).count("/2/statuses/destroy.json") == 2


def test_a_retraction_without_an_answer_is_one_attempt_and_may_be_repeated(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("open")
    placement, _ = published(client, sim, "open")
    sim.set_fault("weibo", "statuses/destroy", "drop_after", count=1)
    with pytest.raises(NoAnswerError):
        RETRACTION.retract(client, placement)
    assert paths(sim).count("/2/statuses/destroy.json") == 1
    RETRACTION.retract(client, placement)


def test_a_post_of_another_account_is_not_reported_as_retracted(connect: Connect, sim: SimulatorServer) -> None:
    placement, _ = published(connect("commercial"), sim)
    with pytest.raises(PlatformError) as caught:
        RETRACTION.retract(connect("open"), placement)
    assert caught.value.code == "20102"
    assert the_post(sim).state == "live"


def test_a_record_without_a_post_sends_nothing(connect: Connect, sim: SimulatorServer) -> None:
    with pytest.raises(PlatformError) as caught:
        RETRACTION.retract(connect("open"), record(content(), ACCOUNTS["open"], sim.clock.now()))
    assert (caught.value.error_class, caught.value.sent) == ("bug", "no")
    assert paths(sim) == []


# --- answering ---


def test_a_reply_stands_under_the_comment_in_our_words_alone(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    reply_id = REPLIES.reply(client, post, comment.native_id, THANKS)
    (made,) = ours(sim)
    assert (made.native_id, made.text, made.parent) == (reply_id, THANKS, comment.native_id)
    shown = {row.id: row for row in client.comments(post.post.native_id, count=200).rows}
    assert (shown[reply_id].parent, shown[reply_id].author) == (comment.native_id, ACCOUNTS["commercial"].open_id)


def test_without_a_comment_the_post_itself_is_commented_on(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open")
    _, post = published(client, sim, "open")
    reply_id = REPLIES.reply(client, post, "", THANKS)
    (made,) = ours(sim)
    assert (made.native_id, made.parent) == (reply_id, None)
    assert REPLIES.find_reply(client, post, "", THANKS, sim.clock.now()) == reply_id


def test_the_same_words_under_another_post_are_not_taken_for_ours(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    other = client.update("另一条微博", "0", "[]")
    client.comment(other.id, THANKS)
    assert REPLIES.find_reply(client, post, "", THANKS, sim.clock.now()) is None


@pytest.mark.parametrize(("comment_id", "code"), [("1", "20201"), ("x", "20201")])
def test_an_answer_to_a_comment_that_is_gone_is_refused(
    connect: Connect, sim: SimulatorServer, comment_id: str, code: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment_id, THANKS)
    assert (caught.value.code, caught.value.outcome) == (code, "refused")


@pytest.mark.parametrize("text", ["", " \n", "茶" * 141, "好 " + "a" * 300])
def test_a_reply_that_cannot_fit_never_leaves(connect: Connect, sim: SimulatorServer, text: str) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    before = len(paths(sim))
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, "1", text)
    assert (caught.value.error_class, caught.value.sent) == ("content", "no")
    assert "140" in caught.value.message
    assert len(paths(sim)) == before


def test_the_longest_reply_is_taken(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    REPLIES.reply(client, post, some_comment(sim).native_id, "茶" * REPLIES.most_characters())
    assert len(ours(sim)) == 1


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "http_500"])
def test_a_reply_without_an_answer_is_tried_once_and_found_only_if_it_is_there(
    connect: Connect, sim: SimulatorServer, fault: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment, since = some_comment(sim), sim.clock.now()
    sim.set_fault("weibo", "comments/reply", fault, count=1)
    with pytest.raises(NoAnswerError):
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert paths(sim).count("/2/comments/reply.json") == 1
    found = REPLIES.find_reply(client, post, comment.native_id, THANKS, since)
    assert found == (ours(sim)[0].native_id if fault == "drop_after" else None)


def test_only_our_own_answer_to_this_comment_in_these_words_and_this_time_is_found(
    connect: Connect, sim: SimulatorServer
) -> None:
    client, other = connect("commercial"), connect("open")
    _, post = published(client, sim)
    asked, another = some_comment(sim), comments(sim)[1]
    REPLIES.reply(client, post, asked.native_id, THANKS)  # last week's
    sim.clock.advance(7 * 86_400)
    since = sim.clock.now()
    REPLIES.reply(other, post, asked.native_id, THANKS)  # a colleague's account
    REPLIES.reply(client, post, another.native_id, THANKS)  # the same thanks to somebody else
    REPLIES.reply(client, post, asked.native_id, "不客气")
    assert REPLIES.find_reply(client, post, asked.native_id, THANKS, since) is None
    reply_id = REPLIES.reply(client, post, asked.native_id, THANKS)
    assert REPLIES.find_reply(client, post, asked.native_id, THANKS, since) == reply_id


def test_an_answer_is_known_though_links_came_shortened_and_a_name_was_put_before_it(
    connect: Connect, sim: SimulatorServer
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment, text = some_comment(sim), "看这里 https://www.qinghe.example/spring 谢谢"
    fields = {"id": post.post.native_id, "cid": comment.native_id, "comment": text, "without_mention": "0"}
    body = client._post(client._open, "/2/comments/reply.json", fields)
    assert body["text"].startswith("回复@")
    found = REPLIES.find_reply(client, post, comment.native_id, text.replace("spring", "s"), sim.clock.now())
    assert found == body["idstr"]


def test_the_search_goes_through_all_pages(
    connect: Connect, sim: SimulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKING", Looking(comments_per_page=4))
    client = connect("commercial")
    _, post = published(client, sim)
    comment, since = some_comment(sim), sim.clock.now()
    reply_id = REPLIES.reply(client, post, comment.native_id, THANKS)
    for number in range(12):
        REPLIES.reply(client, post, comment.native_id, f"第 {number} 句")
    sim.set_fault("weibo", "comments/by_me", "short_page")
    assert REPLIES.find_reply(client, post, comment.native_id, THANKS, since) == reply_id
    assert paths(sim).count("/2/comments/by_me.json") > 4


class Listing:
    """The own comments of an account, made of rows; `forbidden`: the app may not list them."""

    account = ACCOUNTS["commercial"]

    def __init__(self, rows: list[CommentRow], total: int, most: int = 200, forbidden: str = "") -> None:
        self.rows, self.total, self.most, self.forbidden = rows, total, most, forbidden

    def own_comments(self, *, count: int, max_id: int = 0) -> CommentRows:
        if self.forbidden:
            raise ADAPTER.errors.error(self.forbidden, "")
        return self._page(max_id)

    def comments(self, status_id: str, *, count: int, max_id: int = 0) -> CommentRows:
        return self._page(max_id)

    def uid(self) -> str:
        return self.account.open_id

    def _page(self, max_id: int) -> CommentRows:
        left = [row for row in self.rows if not max_id or int(row.id) <= max_id]
        shown = left[: self.most]
        return CommentRows(tuple(shown), int(left[self.most].id) if len(left) > self.most else 0, self.total)


def row(number: int, at: datetime, text: str = THANKS, author: str = "1900000001") -> CommentRow:
    return CommentRow(str(number), author, text, at, "77", 0, "9")


def live_post() -> LivePost:
    ref = PostRef(native_id="9", published_at=NOW)
    return LivePost("pl-1", "c-1", "qinghe", "spring", "qinghe-tea", "notice", "", ref)


def test_where_the_platform_hides_the_time_in_question_nobody_says_that_it_is_not_there() -> None:
    newer = [row(100 - n, NOW + timedelta(minutes=30 - n), "别的话") for n in range(5)]
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing(newer, total=300), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "needs_human"
    older = [*newer, row(50, NOW - timedelta(hours=1), "昨天的话")]
    assert REPLIES.find_reply(Listing(older, total=300), live_post(), "77", THANKS, NOW) is None


def test_a_search_that_would_never_end_is_given_up_undecided() -> None:
    endless = [row(10_000 - n, NOW + timedelta(minutes=1), "别的话") for n in range(50)]
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing(endless, total=50, most=2), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "needs_human"


@pytest.mark.parametrize("code", ["10005", "10014"])
def test_where_the_app_may_not_list_its_comments_those_of_the_post_are_read(code: str) -> None:
    rows = [row(13, NOW), row(12, NOW, author="5"), row(11, NOW - timedelta(days=1))]
    assert REPLIES.find_reply(Listing(rows, 3, forbidden=code), live_post(), "77", THANKS, NOW) == "13"
    assert REPLIES.find_reply(Listing(rows[1:], 2, forbidden=code), live_post(), "77", THANKS, NOW) is None


def test_a_search_that_fails_says_so() -> None:
    with pytest.raises(PlatformError) as caught:
        REPLIES.find_reply(Listing([], 0, forbidden="10023"), live_post(), "77", THANKS, NOW)
    assert caught.value.error_class == "quota"


@pytest.mark.parametrize(
    ("kind", "error_class"),
    [
        ("rate_limit", "quota"),
        ("review_refused", "content"),
        ("captcha", "account_risk"),
        ("repeat_content", "content"),
    ],
)
def test_refused_replies_leave_nothing_behind(
    connect: Connect, sim: SimulatorServer, kind: str, error_class: str
) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    sim.set_fault("weibo", "comments/reply", kind, count=1)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert caught.value.error_class == error_class
    assert ours(sim) == []


def test_the_same_answer_twice_is_refused_as_repeated(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("commercial")
    _, post = published(client, sim)
    comment = some_comment(sim)
    REPLIES.reply(client, post, comment.native_id, THANKS)
    with pytest.raises(PlatformError) as caught:
        REPLIES.reply(client, post, comment.native_id, THANKS)
    assert (caught.value.code, caught.value.outcome) == ("20019", "already_posted")
    assert len(ours(sim)) == 1


# --- the account ---


def test_a_healthy_account_says_when_its_token_ends_and_what_is_left(connect: Connect, sim: SimulatorServer) -> None:
    options = sim.world("weibo").accounts["qinghe-tea"].options
    options |= {"token_life_s": "86400", "hits_per_hour": "150", "posts_per_hour": "30", "comments_per_hour": "60"}
    sim.clock.set_speed(0)
    client, now = connect("commercial"), sim.clock.now()
    _, post = published(client, sim)
    REPLIES.reply(client, post, "", THANKS)
    health = CARE.check(client, now)
    assert (health.problem, health.error) == ("", None)
    assert health.token_expires_at is not None
    assert abs(health.token_expires_at - now - timedelta(days=1)) < timedelta(seconds=10)
    left = {quota.endpoint: (quota.limit, quota.remaining) for quota in health.quotas}
    assert left["*"] == (150, 148)
    assert left["update"] == left["share"] == (30, 29)
    assert left["comments/reply"] == (60, 59)
    assert {quota.endpoint for quota in health.quotas} <= {rate.endpoint for rate in ADAPTER.limits.rates}
    next_hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for quota in health.quotas:
        assert quota.resets_at is not None
        assert abs(quota.resets_at - next_hour) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("trouble", "code"), [("token_expired", "21327"), ("token_stolen", "21332"), ("cancelled", "21319")]
)
def test_a_dead_token_is_a_problem_and_no_exception(
    connect: Connect, sim: SimulatorServer, trouble: str, code: str
) -> None:
    client = connect("open")
    if trouble == "cancelled":
        acts, world = sim.simulation.mount("weibo").simulated, sim.world("weibo")
        acts.acts["cancel_authorisation"](world, world.accounts["qinghe-life"], {})  # type: ignore[attr-defined]  # optional in the contract
    else:
        sim.set_fault("weibo", "oauth2/get_token_info", trouble, count=1)
    health = CARE.check(client, sim.clock.now())
    assert health.error is not None
    assert (health.error.error_class, health.error.code) == ("auth", code)
    assert "授权" in health.problem


def test_a_token_past_its_end_is_refused_everywhere(connect: Connect, sim: SimulatorServer) -> None:
    sim.world("weibo").accounts["qinghe-life"].options["token_life_s"] = "3600"
    client = connect("open")
    assert CARE.check(client, sim.clock.now()).problem == ""
    sim.clock.advance(3601)
    assert CARE.check(client, sim.clock.now()).problem
    with pytest.raises(PlatformError) as caught:
        client.user_timeline()
    assert caught.value.code == "21327"


def test_a_stolen_token_is_dead_for_us_until_a_new_one_is_fetched(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "*", "token_stolen", count=1)
    ordinary = connect("open")
    for _ in range(2):
        with pytest.raises(PlatformError) as caught:
            ordinary.user_timeline()
        assert caught.value.code == "21332"
    sim.set_fault("weibo", "*", "token_stolen", count=1)
    with_refresh_token = connect("commercial")
    assert with_refresh_token.user_timeline().rows == ()
    assert paths(sim).count("/oauth2/access_token") == 1


def test_the_token_of_another_user_is_a_problem_though_it_works(connect: Connect, sim: SimulatorServer) -> None:
    client = connect("open", open_id="1900000009")
    health = CARE.check(client, sim.clock.now())
    assert "1900000002" in health.problem
    assert health.error is not None
    assert health.error.error_class == "auth"


def test_an_account_without_calls_left_says_until_when(connect: Connect, sim: SimulatorServer) -> None:
    sim.clock.set_speed(0)
    sim.world("weibo").accounts["qinghe-life"].options["hits_per_hour"] = "1"
    client = connect("open")
    client.user_timeline()
    with pytest.raises(PlatformError) as caught:
        client.user_timeline()
    assert caught.value.code == "10023"
    health = CARE.check(client, sim.clock.now())
    assert "用完" in health.problem
    assert health.error is not None
    assert health.error.retry_after_s is not None
    assert 0 <= health.error.retry_after_s <= 3600
    sim.clock.advance(3600)
    assert CARE.check(client, sim.clock.now()).problem == ""


def test_limits_that_cannot_be_read_are_no_problem_of_the_account(connect: Connect, sim: SimulatorServer) -> None:
    sim.set_fault("weibo", "account/rate_limit_status", "http_500")
    health = CARE.check(connect("open"), sim.clock.now())
    assert (health.problem, health.quotas) == ("", ())
    assert health.token_expires_at is not None


def test_a_platform_out_of_reach_is_told_as_such(connect: Connect, sim: SimulatorServer) -> None:
    health = CARE.check(connect("open", base_url="http://127.0.0.1:9"), sim.clock.now())
    assert health.error is not None
    assert (health.error.error_class, health.error.sent) == ("platform_down", "no")


class Told:
    """What the platform says about an account, in whatever figures."""

    account = ACCOUNTS["open"]

    def __init__(self, expires_in_s: int | None, *rows: Hits, resets_in_s: int | None = 60) -> None:
        self.info, self.limits = TokenInfo("", expires_in_s), HitLimits(rows, resets_in_s)

    def token_info(self) -> TokenInfo:
        return self.info

    def hit_limits(self) -> HitLimits:
        return self.limits


@pytest.mark.parametrize("expires_in_s", [0, -5])
def test_a_token_that_is_over_by_its_own_word_is_a_problem(expires_in_s: int) -> None:
    assert "过期" in CARE.check(Told(expires_in_s), NOW).problem


@pytest.mark.parametrize("expires_in_s", [None, 10**18])
def test_an_end_that_nobody_can_tell_is_left_out(expires_in_s: int | None) -> None:
    assert CARE.check(Told(expires_in_s), NOW).token_expires_at is None


def test_of_two_figures_for_all_calls_the_tighter_one_counts() -> None:
    told = Told(60, Hits("", 1000, 800), Hits("", 10_000, 3), Hits("/statuses/upload/biz", 30, 5), Hits("/x/y", 9, 8))
    quotas = {quota.endpoint: quota.remaining for quota in CARE.check(told, NOW).quotas}
    assert quotas == {"*": 3, "upload": 5, "x/y": 8}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_limit": "many", "remaining_user_hits": None, "api_rate_limits": None},
        {"api_rate_limits": [None, 7, {"api": "/a"}, {"api": "/b", "limit": 1, "remaining_hits": "x"}]},
    ],
)
def test_figures_that_cannot_be_read_are_missing_not_zero(connect: Connect, body: dict[str, object]) -> None:
    client = connect("open")
    client._get = lambda path, query: body  # type: ignore[method-assign]  # an answer that no simulator gives
    assert client.hit_limits().rows == ()
