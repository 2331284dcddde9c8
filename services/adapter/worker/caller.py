"""Makes the platform calls of one adapter on threads, each within its time and counted.

Decides nothing about what an answer means. Right before each request the thread that calls asks whether a brake, a
cancel or a newer version came after the record of the call was committed: see `_last_question`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container
from threading import Lock
from typing import Any

from schemas.events.commands import BrakeSet
from schemas.events.placement import PlacementRecord
from services.adapter.commands.freshness import Freshness
from services.adapter.commands.view import CommandView
from services.adapter.contract.accounts import Account, Accounts
from services.adapter.contract.adapter import Adapter, Timing
from services.adapter.contract.errors import HeldBackError, NotSentError, PlatformError
from services.adapter.contract.feedback import LivePost
from services.adapter.contract.publication import MediaSource, Step
from services.adapter.contract.shared import Shared
from services.adapter.wire.send_guard import boot_seconds, check_before_send, send_before
from services.adapter.worker.call_pool import CallPool
from services.adapter.worker.ledger import LedgerEntry
from services.adapter.worker.post_actions import PostAction
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.failpoints import reached
from services.runtime.logging import get_logger

START_WITHIN_S = 5.0  # a recorded call that has not started by then is not started any more
HEAR_WITHIN_S = 3.0  # so long a call waits for a fresh view of the commands

log = get_logger(__name__)


class Caller:
    """The calls of one worker. Its methods are the loop's; what they start runs on the threads of `calls`."""

    def __init__(
        self,
        adapter: Adapter,
        accounts: Accounts,
        *,
        calls: CallPool,
        timing: Timing,
        media: MediaSource,
        commands: CommandView,
        freshness: Freshness,
        clock: Clock,
        shared: Callable[[Account], Shared | None] = lambda account: None,
    ) -> None:
        self.calls = calls
        self.timing = timing
        self.commands = commands
        self.freshness = freshness
        self._adapter = adapter
        self._accounts = accounts
        self._media = media
        self._clock = clock
        self._shared = shared
        self._clients: dict[str, Any] = {}
        self._building = Lock()

    def step(self, entry: LedgerEntry, step: Step, start_by: float) -> None:
        """start_by is counted from the record's time, like the deadline that other workers will wait for."""
        reached(f"recorded:{step.effect}")
        record = entry.record
        leave_by = start_by + self.timing.call_timeout_s if step.effect == "post" else math.inf

        def call() -> Any:
            if boot_seconds() > start_by:
                raise NotSentError("调用没有及时开始，稍后再试 / the call could not start in time")
            reached(f"starting:{step.effect}")
            question = self._last_question(entry, record)
            with send_before(leave_by), check_before_send(question):
                question()
                client = self.client(record.account)
                outcome = self._adapter.publication.perform(client, record, step, self._media)
            reached(f"answered:{step.effect}")
            return outcome

        self.calls.start(entry, "step", step, self._timed(step.name.split(":")[0], call))

    def look(self, entry: LedgerEntry, step: Step | None, claimed: Container[str]) -> None:
        record, find = entry.record, self._adapter.publication.find
        self.calls.start(
            entry, "look", step, self._timed("find", lambda: find(self.client(record.account), record, claimed))
        )

    def follow(self, entry: LedgerEntry) -> None:
        record, follow = entry.record, self._adapter.publication.follow
        self.calls.start(
            entry, "follow", None, self._timed("follow", lambda: follow(self.client(record.account), record))
        )

    def act(self, entry: LedgerEntry, action: PostAction) -> None:
        """Take a post down, answer a comment, or look for an answer that was sent; brakes hold back answers only."""
        start_by, record = boot_seconds() + START_WITHIN_S, entry.record
        reached(f"recorded:{action.purpose}")

        def call() -> Any:
            if boot_seconds() > start_by:
                raise NotSentError("调用没有及时开始，稍后再试 / the call could not start in time")
            if action.purpose != "reply":
                return self._run_action(action, record)
            question = self._last_question(entry, record)
            with send_before(start_by + self.timing.call_timeout_s), check_before_send(question):
                question()
                return self._run_action(action, record)

        self.calls.start(entry, action.purpose, None, self._timed(action.purpose, call))

    def _run_action(self, action: PostAction, record: PlacementRecord) -> Any:
        client, reply, replies = self.client(record.account), action.reply, self._adapter.replies
        if reply is None:
            assert self._adapter.retraction is not None
            return self._adapter.retraction.retract(client, record)
        assert replies is not None
        if action.purpose == "reply":
            answered = replies.reply(client, LivePost.of(record), reply.comment_id, reply.text)
            reached("answered:reply")
            return answered
        return replies.find_reply(client, LivePost.of(record), reply.comment_id, reply.text, reply.at)

    def client(self, account: str) -> Any:
        """The client of an account; one thread builds it, dozens may wait for it."""
        if account in self._clients:
            return self._clients[account]
        with self._building:
            if account in self._clients:
                return self._clients[account]
            declared = self._accounts.get(self._adapter.platform, account)
            if declared is None:
                raise PlatformError(
                    f"账号 {account} 未声明 / account not declared", error_class="auth", sent="no", scope="account"
                )
            client = self._adapter.client(declared, self.timing.call_timeout_s, self._shared(declared))
            self._clients[account] = client
        return client

    def _last_question(self, entry: LedgerEntry, called: PlacementRecord) -> Callable[[], None]:
        """What is asked right before each request: is our view fresh, and does anything in it hold the call back?"""

        def ask() -> None:
            if not self.freshness.wait(entry.partition, boot_seconds() + HEAR_WITHIN_S):
                raise NotSentError(
                    "暂时听不到最新的运营指令，为安全起见先不调用 / commands cannot be heard now, so no call"
                )
            held_by = self.commands.brake_on(called, self._clock.now()) or self._called_off(entry, called)
            if held_by is not None:
                reason = held_by.reason if isinstance(held_by, BrakeSet) else held_by
                raise HeldBackError(f"调用前一刻被拦下：{reason} / held back at the last moment", held_by)

        return ask

    def _called_off(self, entry: LedgerEntry, called: PlacementRecord) -> str | None:
        """The loop may have taken a cancel or a newer version since the call was recorded."""
        now = entry.record
        if now.cancel_requested or self.commands.cancelled(called):
            return "收到取消"
        newer = entry.superseded or now.newer is not None or now.content_version > called.content_version
        return "收到更新的版本" if newer else None

    def _timed(self, name: str, call: Callable[[], Any]) -> Callable[[], Any]:
        platform = self._adapter.platform

        def timed() -> Any:
            began, result = time.monotonic(), "ok"
            try:
                return call()
            except HeldBackError:
                result = "held_back"
                log.info("call_held_back", platform=platform, step=name)
                raise
            except PlatformError as error:
                result = error.error_class
                log.warning(
                    "platform_call_failed" if error.recognised else "platform_code_unrecognised",
                    platform=platform, step=name, error_class=error.error_class, code=error.code, sent=error.sent,
                )  # fmt: skip
                raise
            finally:
                metrics.PLATFORM_CALLS.labels(platform, name, result).inc()
                metrics.PLATFORM_SECONDS.labels(platform, name).observe(time.monotonic() - began)

        return timed
