"""`tongbo cancel | retract | retry | confirm | deny | release | reply`: commands about one placement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from services.cli.publisher.give_command import give_command, instant
from services.cli.terminal.command_options import How, command_options

Placement = Annotated[str, typer.Argument(help="发布位编号 pl-…，见 tongbo status / id of the placement")]
ALL = "需要 operate 角色；先加 --dry-run 看会怎样。Needs the role operate; look first with --dry-run."
HELPS = {
    "cancel": f"""取消一个发布位：还没发出的不再发出，已上线的撤下（平台支持时）。

Do not call this placement any more; where it is live already, it is taken down if the platform can. {ALL}

\b
例 / example:
  tongbo cancel pl-0f3a… --reason 价格有误
""",
    "retract": f"""撤回已上线的帖子；平台没有撤回接口时会拒绝并说明。

Take a live post down; refused, with the reason, where the platform offers no way. {ALL}

\b
例 / example:
  tongbo retract pl-0f3a… --reason 图片用错
""",
    "retry": f"""重试：仅当台账能证明平台上没有这条帖子。

Call it again, only where the ledger shows that no post can exist. {ALL}

\b
例 / example:
  tongbo retry pl-0f3a… --reason 已补充授权
""",
    "confirm": f"""结果不明的发布，人工核对后确认：帖子在平台上。

A person has looked: the post whose outcome was unknown is there. {ALL}

\b
例 / example:
  tongbo confirm pl-0f3a… --native-id 5012345678 --url https://… --reason 已在主页看到
""",
    "deny": f"""结果不明的发布，人工核对后否认：平台上没有，可以重新发布。

A person has looked: the post is not there, it may be called again. {ALL}

\b
例 / example:
  tongbo deny pl-0f3a… --reason 主页和草稿箱都没有
""",
    "release": f"""放行一个被刹车拦下（PARKED）的发布位，可给新的时刻。

Let a parked placement go on, at once or at another time. A brake that is still on parks it again. {ALL}

\b
例 / examples:
  tongbo release pl-0f3a… --reason 已核实
  tongbo release pl-0f3a… --at 2026-11-11T20:00+08:00 --reason 改到晚上
""",
    "reply": f"""回复一条评论；同一指令绝不回复两次。

Answer a comment; the same command never answers twice. {ALL}

\b
例 / example:
  tongbo reply pl-0f3a… --comment 4987… --text 谢谢，已为您处理 --reason 客诉
""",
}


def register(app: typer.Typer) -> None:
    about_more: dict[str, Callable[..., None]] = {"confirm": confirm, "release": release, "reply": reply}
    for name, text in HELPS.items():
        app.command(name, help=text)(command_options(about_more.get(name) or _plain(name)))


def _plain(kind: str) -> Callable[..., None]:
    """Make a command whose only field is the placement."""

    def run(how: How, placement: Placement) -> None:
        give_command(how, kind, placement_id=placement)

    return run


def confirm(
    how: How,
    placement: Placement,
    native_id: Annotated[str, typer.Option(help="平台上的帖子编号 / the platform's id of the post")],
    url: Annotated[str | None, typer.Option(help="帖子网址 / address of the post")] = None,
    published_at: Annotated[str | None, typer.Option("--at", help="何时发布，默认现在 / when, default now")] = None,
) -> None:
    post = {"native_id": native_id, "url": url, "published_at": instant(published_at, "--at")}
    give_command(
        how, "confirm", placement_id=placement, post={name: one for name, one in post.items() if one is not None}
    )


def release(
    how: How,
    placement: Placement,
    at: Annotated[
        str | None, typer.Option(help="何时发布，如 30m 或带时区的时刻，默认立即 / when, default: now")
    ] = None,
) -> None:
    give_command(how, "release", placement_id=placement, due_at=instant(at, "--at"))


def reply(
    how: How,
    placement: Placement,
    comment: Annotated[str, typer.Option(help="要回复的评论编号 / id of the comment")],
    text: Annotated[str, typer.Option(help="回复内容 / what to answer")],
) -> None:
    give_command(how, "reply", placement_id=placement, comment_id=comment, text=text)
