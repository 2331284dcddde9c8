"""The webhooks of the simulated Douyin (C5): signed events to the address of an account, and their subscription."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from services.adapter_douyin.simulator.bodies import DouyinRefusedError, epoch_ms, json_body
from services.adapter_douyin.simulator.comments import comment_row, reply_counts
from services.simulator.contract import Call, OutgoingCallback, SimAccount, World

# Events that an app receives by default: create_video [doc], the others [assumption].
EVENTS = ("create_video", "authorize", "unauthorize", "item_comment_reply")
# Newer events carry `content` as a JSON string (C5 [doc]); the comment event counts as one [assumption].
CONTENT_AS_STRING = ("item_comment_reply",)


def verify_webhook(world: World, account: SimAccount, details: Mapping[str, str]) -> Mapping[str, Any]:
    """The developer saves the address in the console, which checks the answer to its challenge (C5 [doc])."""
    challenge = world.rng.randrange(10_000, 10**9)
    wanted = {"challenge": challenge}
    _send_webhook(
        world, account, "verify_webhook", wanted, lambda status, answer: status == 200 and _parsed(answer) == wanted
    )
    return wanted


def _parsed(answer: bytes) -> Any:
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def notify(world: World, account: SimAccount, event: str, content: Mapping[str, Any], actor: str | None = None) -> None:
    """Send an event if the app is subscribed to it. actor: the user who caused it; None = the account's own user."""
    if _subscriptions(world).get(event) == 1:
        _send_webhook(world, account, event, content, None, actor)


def _send_webhook(
    world: World,
    account: SimAccount,
    event: str,
    content: Mapping[str, Any],
    accepts: Callable[[int, bytes], bool] | None,
    actor: str | None = None,
) -> None:
    """from_user_id is the actor; to_user_id is the account's user if somebody else is the actor [assumption]."""
    envelope: dict[str, Any] = {"event": event, "client_key": account.app_id}
    if event != "verify_webhook":
        envelope["from_user_id"] = actor or account.open_id
        envelope["to_user_id"] = account.open_id if actor else ""
        envelope["log_id"] = f"{epoch_ms(world)}{world.rng.getrandbits(64):016X}"
    envelope["content"] = orjson.dumps(content).decode() if event in CONTENT_AS_STRING else content
    body = orjson.dumps(envelope)
    signature = hashlib.sha1(account.app_secret.encode() + body).hexdigest()  # noqa: S324 — Douyin's choice
    message_id = f"{world.rng.getrandbits(128):032x}"
    headers = {"Content-Type": "application/json", "X-Douyin-Signature": signature, "Msg-Id": message_id}
    plain = OutgoingCallback("POST", body, headers, name=event)
    world.call_back(account, replace(plain, accepts=accepts) if accepts else plain)


def _subscriptions(world: World) -> dict[str, int]:
    subscribed: dict[str, int] = world.state.setdefault("events", dict.fromkeys(EVENTS, 1))
    return subscribed


def event_list(world: World, call: Call) -> dict[str, Any]:
    """The answer's `list` has the shape of the update's [assumption]."""
    return {"list": [{"event": event, "status": status} for event, status in _subscriptions(world).items()]}


def event_update(world: World, call: Call) -> dict[str, Any]:
    wanted = json_body(call).get("list")
    if not isinstance(wanted, list) or not all(
        isinstance(one, dict) and one.get("event") in EVENTS and one.get("status") in (0, 1) for one in wanted
    ):
        raise DouyinRefusedError(28001007)
    _subscriptions(world).update({one["event"]: one["status"] for one in wanted})
    return {}


def notify_comments(world: World, account: SimAccount) -> None:
    """One event per new comment; comments of the account's own user send none [assumption]."""
    for post in world.posts:
        if post.account != account.account or post.state != "live":
            continue
        notified: set[str] = post.data.setdefault("told", set())
        comments = world.comments(post)
        if len(comments) == len(notified):
            continue
        replies = reply_counts(comments)
        for comment in comments:
            if comment.native_id not in notified:
                notified.add(comment.native_id)
                if comment.author != account.open_id:
                    row = comment_row(comment, replies, top=False)
                    names = (
                        "comment_id",
                        "comment_user_id",
                        "content",
                        "create_time",
                        "digg_count",
                        "reply_comment_total",
                    )
                    content = {name: row[name] for name in names} | {
                        "reply_to_comment_id": comment.parent or "",
                        "reply_to_item_id": post.native_id,
                        "at_user_id": "",
                    }
                    notify(world, account, "item_comment_reply", content, comment.author)
