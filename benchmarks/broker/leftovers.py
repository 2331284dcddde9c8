"""What a run leaves on the broker: topics and consumer groups, found by their common prefix and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka.errors import KafkaError

_LOOK_S = 0.1


class LeftBehind(Exception):  # noqa: N818 - says what is the case
    """Raised when something of an earlier run stays on the broker: the next run would begin with it."""


def remove_topics(admin: Any, prefix: str, keep: Iterable[str], within_s: float) -> None:
    """Remove the topics whose names contain this, and return when they are gone; raises LeftBehind."""
    kept = set(keep)

    def left() -> list[str]:
        return [name for name in admin.list_topics() if prefix in name and name not in kept]

    _until_none(left, lambda names: admin.delete_topics(names, raise_errors=False), within_s)


def forget_groups(admin: Any, prefix: str, within_s: float) -> None:
    """Remove the groups whose names begin with this, with their offsets; raises LeftBehind.

    All of them, not only the measured one: a contender that reads the topic in a second group first, to be warm, would
    the next time begin behind the last event and wait for ever. A killed member holds its group for up to 45 s.
    """

    def left() -> list[str]:
        return [name for group in admin.list_groups() if (name := group["group_id"]).startswith(prefix)]

    _until_none(left, admin.delete_groups, within_s)


def _until_none(left: Callable[[], list[str]], remove: Callable[[list[str]], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        found: list[str] = []
        try:
            if not (found := left()):
                return
            remove(found)
        except KafkaError as error:
            if not error.retriable:
                raise
        if time.monotonic() > deadline:
            raise LeftBehind(f"未能清除 / still on the broker after {within_s:.0f} s: {', '.join(sorted(found))}")
        time.sleep(_LOOK_S)
