"""The simulated Weibo as the simulator sees it: its endpoints, faults, callbacks and acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from schemas.events.feedback import Metric
from services.adapter_weibo.simulator import bodies
from services.adapter_weibo.simulator.comments import COMMENTING, create_comment, reply_comment
from services.adapter_weibo.simulator.exchange import Answer, authorised
from services.adapter_weibo.simulator.posting import (
    PLATFORM,
    POSTING,
    destroy,
    share,
    update,
    upload,
    upload_pic,
    upload_url_text,
)
from services.adapter_weibo.simulator.reading import (
    own_comments,
    post_counts,
    rate_limit_status,
    show_comments,
    show_status,
    show_user,
    user_timeline,
    users_counts,
)
from services.adapter_weibo.simulator.refusals import error_reply
from services.adapter_weibo.simulator.tokens import (
    access_token,
    authorize,
    cancel_authorisation,
    check_address,
    get_token_info,
    next_consent,
    revoke,
)
from services.simulator.contract import Act, Call, Endpoint, SimPost, SimReply, World


class WeiboSimulator:
    """The contract's SimulatedPlatform."""

    platform = PLATFORM
    exposed: tuple[Metric, ...] = ("likes", "comments", "shares")
    taken_faults = ("slow_success", "short_page", "token_stolen", "webhook_lost", "webhook_thrice")
    callbacks = ("authorisation_cancelled", "address_check")

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        return error_reply(10021 if any(call.path == e.path for e in ENDPOINTS) else 10020, call)

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        writing = endpoint in (*POSTING, *COMMENTING)
        code = {
            "rate_limit": 10024 if writing else 10023,
            "token_expired": 21327,
            "repeat_content": 20019 if writing else None,
            "review_refused": 20021 if writing else None,
            "captcha": 20031 if writing else None,
        }.get(kind)
        return None if code is None else error_reply(code, call)

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        return bodies.comment_id(post, ordinal, at)

    def tick(self, world: World) -> None:
        """Posts of a slow server come to show."""
        hidden: list[SimPost] = world.state.get("hidden", [])
        for post in hidden[:]:
            if world.now() >= post.data["shows_at"]:
                hidden.remove(post)
                if post.state == "publishing":
                    world.go_live(post, world.now())

    @property
    def acts(self) -> Mapping[str, Act]:
        return {
            "cancel_authorisation": cancel_authorisation,
            "check_address": check_address,
            "next_consent": next_consent,
        }


def _endpoint(name: str, method: str, answer: Answer, mutating: bool, counted: bool = True) -> Endpoint:
    return Endpoint(name, method, f"/2/{name}.json", authorised(answer, counted), mutating)


def _oauth(name: str, method: str, handler: Callable[[World, Call], SimReply]) -> Endpoint:
    return Endpoint(f"oauth2/{name}", method, f"/oauth2/{name}", handler, mutating=False)


ENDPOINTS: tuple[Endpoint, ...] = (
    _endpoint("statuses/share", "POST", share, True),
    _endpoint("statuses/update/biz", "POST", update, True),
    _endpoint("statuses/upload/biz", "POST", upload, True),
    _endpoint("statuses/upload_pic/biz", "POST", upload_pic, True),
    _endpoint("statuses/upload_url_text/biz", "POST", upload_url_text, True),
    _endpoint("statuses/destroy", "POST", destroy, True),
    _endpoint("statuses/user_timeline", "GET", user_timeline, False),
    _endpoint("statuses/show", "GET", show_status, False),
    _endpoint("statuses/count", "GET", post_counts, False),
    _endpoint("comments/show", "GET", show_comments, False),
    _endpoint("comments/create", "POST", create_comment, True),
    _endpoint("comments/reply", "POST", reply_comment, True),
    _endpoint("comments/by_me", "GET", own_comments, False),
    _endpoint("account/rate_limit_status", "GET", rate_limit_status, False, counted=False),
    _endpoint("users/counts", "GET", users_counts, False),
    _endpoint("users/show", "GET", show_user, False),
    _oauth("authorize", "GET", authorize),
    _oauth("access_token", "POST", access_token),
    _oauth("get_token_info", "POST", authorised(get_token_info, counted=False)),
    _oauth("revokeoauth2", "GET", authorised(revoke, counted=False)),
    _oauth("revokeoauth2", "POST", authorised(revoke, counted=False)),
)
SIMULATOR = WeiboSimulator()
