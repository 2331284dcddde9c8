"""The simulated WeChat as the simulator serves it: endpoints, faults, and what happens by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from schemas.events.feedback import Metric
from services.adapter_wechat.simulator.bodies import (
    WechatRefusedError,
    answering,
    done,
    endpoint_name,
    json_body,
    refusal,
)
from services.adapter_wechat.simulator.callbacks import call_back_mass, call_back_published, check_address
from services.adapter_wechat.simulator.comments import add_reply, delete_reply, list_comments
from services.adapter_wechat.simulator.drafts import add_draft, batch_drafts, count_drafts, delete_draft, get_draft
from services.adapter_wechat.simulator.exchange import authorised, daily_limit
from services.adapter_wechat.simulator.facts import BEIJING
from services.adapter_wechat.simulator.mass_sending import (
    confirm_mass,
    delete_mass,
    drop_approval,
    mass_status,
    open_approvals,
    refuse_mass,
    send_to_all,
)
from services.adapter_wechat.simulator.pictures import add_material, upload_inline
from services.adapter_wechat.simulator.posting import (
    batch_published,
    delete_article,
    get_article,
    publish_status,
    submit,
)
from services.adapter_wechat.simulator.reading import article_totals, follower_totals
from services.adapter_wechat.simulator.tokens import stable_token, token
from services.simulator.contract import Call, Endpoint, SimAccount, SimPost, SimReply, World

APPROVAL_LIVES = timedelta(minutes=30)  # B3 [client]
FAULTS = {"rate_limit": 45011, "token_expired": 42001}
TOKEN_ENDPOINTS = ("token", "stable_token")


def api_quota(world: World, account: SimAccount, call: Call) -> SimReply:
    path = json_body(call).get("cgi_path")
    if all(endpoint.path != path for endpoint in ENDPOINTS):
        raise WechatRefusedError(76021)
    day, used = account.state.get(f"used:{path}", (None, 0))
    used = used if day == world.now().astimezone(BEIJING).date() else 0
    limit = daily_limit(account)
    return done(quota={"daily_limit": limit, "used": used, "remain": limit - used})


def _post(path: str, handler: Callable[[World, Call], SimReply], *, mutating: bool) -> Endpoint:
    return Endpoint(endpoint_name(path), "POST", path, handler, mutating)


ENDPOINTS = (
    Endpoint("token", "GET", "/cgi-bin/token", answering(token), mutating=False),
    _post("/cgi-bin/stable_token", answering(stable_token), mutating=False),
    _post("/cgi-bin/media/uploadimg", authorised(upload_inline), mutating=True),
    _post("/cgi-bin/material/add_material", authorised(add_material), mutating=True),
    _post("/cgi-bin/draft/add", authorised(add_draft), mutating=True),
    _post("/cgi-bin/draft/get", authorised(get_draft), mutating=False),
    _post("/cgi-bin/draft/delete", authorised(delete_draft), mutating=True),
    _post("/cgi-bin/draft/batchget", authorised(batch_drafts), mutating=False),
    Endpoint("draft/count", "GET", "/cgi-bin/draft/count", authorised(count_drafts), mutating=False),
    _post("/cgi-bin/freepublish/submit", authorised(submit), mutating=True),
    _post("/cgi-bin/freepublish/get", authorised(publish_status), mutating=False),
    _post("/cgi-bin/freepublish/batchget", authorised(batch_published), mutating=False),
    _post("/cgi-bin/freepublish/getarticle", authorised(get_article), mutating=False),
    _post("/cgi-bin/freepublish/delete", authorised(delete_article), mutating=True),
    _post("/cgi-bin/message/mass/sendall", authorised(send_to_all), mutating=True),
    _post("/cgi-bin/message/mass/get", authorised(mass_status), mutating=False),
    _post("/cgi-bin/message/mass/delete", authorised(delete_mass), mutating=True),
    _post("/cgi-bin/comment/list", authorised(list_comments), mutating=False),
    _post("/cgi-bin/comment/reply/add", authorised(add_reply), mutating=True),
    _post("/cgi-bin/comment/reply/delete", authorised(delete_reply), mutating=True),
    _post("/cgi-bin/openapi/quota/get", authorised(api_quota), mutating=False),
    _post("/datacube/getarticletotaldetail", authorised(article_totals), mutating=False),
    _post("/datacube/getusercumulate", authorised(follower_totals), mutating=False),
)


class WechatSimulator:
    """The contract's SimulatedPlatform."""

    platform = "wechat"
    exposed: tuple[Metric, ...] = ("views", "likes", "comments", "shares", "saves", "follows")
    taken_faults = (
        "review_refused", "short_page", "statistics_delayed", "token_stolen", "webhook_lost", "webhook_thrice",
    )  # fmt: skip
    callbacks = ("PUBLISHJOBFINISH", "MASSSENDJOBFINISH", "address_check")
    acts = MappingProxyType({"confirm_mass": confirm_mass, "refuse_mass": refuse_mass, "check_address": check_address})

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        """Another method on a path that exists is 43002 (B7); another path the gateway does not know [assumption]."""
        if any(endpoint.path == call.path for endpoint in ENDPOINTS):
            return refusal(43002, "0-0-0", {})
        return SimReply(b"<html><head><title>404 Not Found</title></head></html>", 404, "text/html")

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        """A token is not expired where it is asked for. Publishing the same words again is nothing WeChat minds."""
        if kind not in FAULTS or (kind == "token_expired" and endpoint in TOKEN_ENDPOINTS):
            return None
        return refusal(FAULTS[kind], "69a6b1c2-1a2b3c4d-5e6f7a8b", {})

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """The platform's own number counts in one article only, so the article's statistics id goes before it."""
        return f"{post.ids['msg_data_id']}_1:{ordinal}"

    def tick(self, world: World) -> None:
        """Jobs end, published or refused by the review, and approvals that nobody gave."""
        for post in world.posts:
            if post.state == "publishing" and world.now() >= post.data["ends_at"]:
                if post.data["refused"]:
                    post.state = "rejected"
                else:
                    world.go_live(post, post.data["ends_at"])
                _tell_end(world, post)
        for account in world.accounts.values():
            for key, used in open_approvals(account):
                if world.now() - used.first_at >= APPROVAL_LIVES:
                    drop_approval(world, account, key, "err(40002)")


def _tell_end(world: World, post: SimPost) -> None:
    if "publish_id" in post.ids:
        call_back_published(world, post)
    else:
        url = post.data["url"] if post.state == "live" else None
        status = "send success" if url else "err(10001)"
        call_back_mass(world, world.accounts[post.account], post.ids["msg_id"], status, url)


SIMULATOR = WechatSimulator()
