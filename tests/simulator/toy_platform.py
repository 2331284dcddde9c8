"""A platform of the simplest kind, written against the contract alone: what the simulator's own tests run on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas.events.feedback import Metric
from services.adapter.contract.accounts import Account
from services.simulator.contract import Call, Endpoint, SimPost, SimReply, World

REVIEW_S = 60


class ToyPlatform:
    """`/post` makes a post (live at once, or `review=1` after a minute), `/counts` and `/comments` tell of it."""

    platform = "toy"
    exposed: tuple[Metric, ...] = ("views", "likes", "comments")
    taken_faults: tuple[str, ...] = ("short_page",)

    def endpoints(self) -> Sequence[Endpoint]:
        return (
            Endpoint("post", "POST", "/post", post, mutating=True),
            Endpoint("upload", "POST", "/upload/", upload, mutating=True),
            Endpoint("remove", "POST", "/remove", remove, mutating=True),
            Endpoint("counts", "GET", "/counts", counts, mutating=False),
            Endpoint("comments", "GET", "/comments", comments, mutating=False),
            Endpoint("echo", "POST", "/echo", echo, mutating=False),
            Endpoint("broken", "GET", "/broken", broken, mutating=False),
            Endpoint("unsendable", "GET", "/unsendable", unsendable, mutating=False),
        )

    def not_found(self, call: Call) -> SimReply:
        return SimReply({"toy_error": "no such path", "path": call.path}, status=404)

    def fault_reply(self, kind: str, endpoint: str, call: Call) -> SimReply | None:
        return (
            SimReply({"toy_error": "too fast"}, status=403) if kind == "rate_limit" and endpoint != "counts" else None
        )

    def comment_id(self, world: World, post: SimPost, ordinal: int, at: datetime) -> str:
        return f"{post.native_id}-c{ordinal}"

    def tick(self, world: World) -> None:
        for waiting in world.posts:
            over = waiting.created_at + timedelta(seconds=REVIEW_S)
            if waiting.state == "in_review" and world.now() >= over:
                world.go_live(waiting, over)


class OtherPlatform(ToyPlatform):
    """A second one, to see that nothing of the first touches it."""

    platform = "other"


def post(world: World, call: Call) -> SimReply:
    number = len(world.posts) + 1
    made = SimPost(
        platform=world.platform,
        native_id=f"t{number}",
        account=call.param("account") or "main",
        kind="notice",
        title="",
        text=call.param("text") or "",
        created_at=world.now(),
        state="in_review" if call.param("review") else "live",
        placement_hint=call.param("hint"),
    )
    world.add_post(made)
    return SimReply({"id": made.native_id, "access_token": "toy-secret-token"})


def remove(world: World, call: Call) -> SimReply:
    _found(world, call).state = "removed"
    return SimReply({"removed": True})


def upload(world: World, call: Call) -> SimReply:
    (name, file), *_ = call.files.items()
    return SimReply(
        {
            "part": name,
            "filename": file.filename,
            "type": file.content_type,
            "size": file.size,
            "sha256": file.sha256,
            "head": len(file.head),
            "form": dict(call.form),
        }
    )


def counts(world: World, call: Call) -> SimReply:
    return SimReply(dict(world.counts(_found(world, call))))


def comments(world: World, call: Call) -> SimReply:
    written = world.comments(_found(world, call))
    if world.take_fault("short_page", "comments"):
        written = written[:1]
    return SimReply([{"id": c.native_id, "text": c.text, "at": c.at.isoformat(), "parent": c.parent} for c in written])


def echo(world: World, call: Call) -> SimReply:
    return SimReply({"query": dict(call.query), "form": dict(call.form), "json": call.json, "method": call.method})


def broken(world: World, call: Call) -> SimReply:
    raise RuntimeError("a handler with a mistake in it")


def unsendable(world: World, call: Call) -> SimReply:
    return SimReply({"what": object()})


def _found(world: World, call: Call) -> SimPost:
    return next(made for made in world.posts if made.native_id == call.param("id"))


TOY_ACCOUNTS = tuple(
    Account(
        platform=platform,
        account=name,
        brand_id="toy-brand",
        way="only",
        app_id=f"app-{platform}-{name}",
        app_secret=f"secret-{name}",
        open_id=f"open-{platform}-{name}",
        access_token=f"token-{platform}-{name}",
        options={"followers": "1234"},
    )
    for platform in ("toy", "other")
    for name in ("main", "second")
)
