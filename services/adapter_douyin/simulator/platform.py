"""The simulated Douyin as a whole: its endpoints, acts, faults, and reviews that end with time."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.events.feedback import Metric
from services.adapter_douyin.simulator.bodies import FAULTS, answer
from services.adapter_douyin.simulator.comments import comment_list, reply, reply_list
from services.adapter_douyin.simulator.consent import authorisation_page, authorize, next_consent, unauthorize
from services.adapter_douyin.simulator.exchange import app_guarded, guarded
from services.adapter_douyin.simulator.posting import create_image_text, create_video
from services.adapter_douyin.simulator.reading import fans, item_base, video_data, video_list
from services.adapter_douyin.simulator.sharing import publish_share
from services.adapter_douyin.simulator.tokens import (
    access_token_endpoint,
    client_token_endpoint,
    refresh_token_endpoint,
    renew_refresh_token_endpoint,
    share_id_endpoint,
    ticket_endpoint,
    userinfo,
)
from services.adapter_douyin.simulator.uploads import (
    complete_upload,
    init_upload,
    upload_image,
    upload_part,
    upload_video,
)
from services.adapter_douyin.simulator.webhooks import EVENTS, event_list, event_update, notify_comments, verify_webhook
from services.simulator.contract import Act, Call, Endpoint, SimPost, SimReply, World

REVIEW_S = 20.0  # [assumption]: in reality minutes to hours
VIDEO = "/api/douyin/v1/video"
ACTS: Mapping[str, Act] = {
    "publish_share": publish_share,
    "authorize": authorize,
    "unauthorize": unauthorize,
    "verify_webhook": verify_webhook,
    "check_address": verify_webhook,
    "next_consent": next_consent,
}
OAUTH = (
    "oauth/connect",
    "oauth/access_token",
    "oauth/refresh_token",
    "oauth/renew_refresh_token",
    "oauth/client_token",
    "oauth/userinfo",
)


def _user(name: str, method: str, path: str, handle: Callable[..., dict[str, Any]], *, mutating: bool) -> Endpoint:
    return Endpoint(name, method, path, guarded(name, handle), mutating)


ENDPOINTS = (
    Endpoint("oauth/connect", "GET", "/platform/oauth/connect/", authorisation_page, False),
    Endpoint("oauth/access_token", "POST", "/oauth/access_token/", access_token_endpoint, True),
    Endpoint("oauth/refresh_token", "POST", "/oauth/refresh_token/", refresh_token_endpoint, True),
    Endpoint("oauth/renew_refresh_token", "POST", "/oauth/renew_refresh_token/", renew_refresh_token_endpoint, True),
    Endpoint("oauth/client_token", "POST", "/oauth/client_token/", client_token_endpoint, True),
    Endpoint("oauth/userinfo", "POST", "/oauth/userinfo/", userinfo, False),
    Endpoint("open/getticket", "GET", "/open/getticket/", app_guarded("open/getticket", ticket_endpoint), False),
    Endpoint("share-id", "GET", "/share-id/", app_guarded("share-id", share_id_endpoint), False),
    Endpoint("event/status/list", "GET", "/event/status/list/", app_guarded("event/status/list", event_list), False),
    Endpoint(
        "event/status/update", "POST", "/event/status/update/", app_guarded("event/status/update", event_update), True
    ),
    _user("video/upload_video", "POST", f"{VIDEO}/upload_video/", upload_video, mutating=True),
    _user("video/init_video_part_upload", "POST", f"{VIDEO}/init_video_part_upload/", init_upload, mutating=True),
    _user("video/upload_video_part", "POST", f"{VIDEO}/upload_video_part/", upload_part, mutating=True),
    _user(
        "video/complete_video_part_upload", "POST", f"{VIDEO}/complete_video_part_upload/", complete_upload,
        mutating=True,
    ),
    _user("video/upload_image", "POST", f"{VIDEO}/upload_image/", upload_image, mutating=True),
    _user("video/create_video", "POST", f"{VIDEO}/create_video/", create_video, mutating=True),
    _user("video/create_image_text", "POST", f"{VIDEO}/create_image_text/", create_image_text, mutating=True),
    _user("video/video_list", "GET", f"{VIDEO}/video_list/", video_list, mutating=False),
    _user("video/video_data", "POST", f"{VIDEO}/video_data/", video_data, mutating=False),
    _user("item/comment/list", "GET", "/item/comment/list/", comment_list, mutating=False),
    _user("item/comment/reply/list", "GET", "/item/comment/reply/list/", reply_list, mutating=False),
    _user("item/comment/reply", "POST", "/item/comment/reply/", reply, mutating=True),
    _user("data/external/item/base", "GET", "/data/external/item/base/", item_base, mutating=False),
    _user("data/external/user/fans", "GET", "/data/external/user/fans/", fans, mutating=False),
)  # fmt: skip


class DouyinSimulator:
    platform = "douyin"
    exposed: tuple[Metric, ...] = ("views", "likes", "comments", "shares")
    taken_faults = (
        "review_refused", "short_page", "daily_limit", "string_numbers", "old_codes", "token_stolen", "webhook_lost",
        "webhook_thrice",
    )  # fmt: skip
    callbacks = ("verify_webhook", *EVENTS)
    acts = ACTS

    def endpoints(self) -> Sequence[Endpoint]:
        return ENDPOINTS

    def not_found(self, call: Call) -> SimReply:
        """The paths of withdrawn publishing APIs answer that they are offline (C0)."""
        offline = call.path.startswith(("/video/", "/image/"))
        return answer(0, {}, 28001056 if offline else 28001007)

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        """Token endpoints have no code for these faults and answer as usual."""
        code = FAULTS.get(kind)
        if code is None or endpoint in OAUTH:
            return None
        return answer(0, {}, code)

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        """In the form of real ids: `@` and base64 with `+ / =` (C4), which must be escaped in URLs."""
        digest = hashlib.sha512(f"{post.native_id}:{ordinal}".encode()).digest()
        return f"@{base64.b64encode(digest).decode()}"

    def tick(self, world: World) -> None:
        """End reviews after REVIEW_S (or `world.state["review_s"]`) seconds; send webhooks of new comments."""
        lasts = timedelta(seconds=float(world.state.get("review_s", REVIEW_S)))
        for post in world.posts:
            if post.state == "in_review" and world.now() >= post.created_at + lasts:
                if post.data["verdict"] == "passed":
                    world.go_live(post, post.created_at + lasts)
                else:
                    post.state = "rejected"
        for account in world.accounts.values():
            if account.options.get("callback_url"):
                notify_comments(world, account)


SIMULATOR = DouyinSimulator()
