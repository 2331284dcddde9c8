"""Asks for a confirmation where an account would say nearly the same twice within a day. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.events.content import MasterContent, Target
from schemas.moments import shown
from services.adapter.contract.adapter import Adapter
from services.publisher.api.problems import Problem, problem
from services.publisher.content.check_targets import named
from services.publisher.content.known import Known


def likeness(
    adapter: Adapter, number: int, target: Target, known: Known, master: MasterContent, *, confirmed: bool
) -> Iterator[Problem]:
    """A problem that `confirm_similar` takes away; platforms refuse such posts, and people send them by accident."""
    alike = None if confirmed else known.alike(master, target)
    if alike is None:
        return
    percent, at = f"{alike.share:.0%}", shown(alike.due_at)
    yield problem(
        f"targets[{number}]",
        "similar_content",
        f"{adapter.name.zh} {target.account}：与 {alike.content_id}（{at}）的文字有 {percent} 相同，时间相隔不到一天",
        f"{adapter.name.en} {target.account}: {percent} of its words are those of {alike.content_id} of {at}",
        "确实要发请加 confirm_similar: true（命令行 --confirm-similar），否则请改写或错开时间 / "
        "set confirm_similar to true if this is meant, or reword it, or move it by a day",
        named(target),
    )
