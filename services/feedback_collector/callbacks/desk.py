"""One call from arrival to answer: verified, written to `platform-callback`, and only then acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from services.adapter.contract.callbacks import CallbackAnswer, CallbackRefusedError, CallbackRequest
from services.feedback_collector.callbacks.memory import Memory
from services.feedback_collector.callbacks.verdicts import CALLBACK_TOPIC, Verdicts, Verified
from services.runtime import metrics
from services.runtime.clock import Clock, SystemClock
from services.runtime.failpoints import reached
from services.runtime.http.said_once import SaidOnce
from services.runtime.kafka.errors import KafkaProblem
from services.runtime.kafka.records import Outgoing
from services.runtime.logging import get_logger

_MACHINE = SystemClock()  # repetitions are told apart by the time that passes for the machines that send them

Write = Callable[[list[Outgoing]], None]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    platform: str
    account: str


class CallbackHandler:
    """Called by many threads. write: returns when Kafka has the records, raises KafkaProblem where that is not sure."""

    def __init__(self, verdicts: Verdicts, memory: Memory, write: Write, clock: Clock) -> None:
        self._verdicts, self._memory, self._write, self._clock = verdicts, memory, write, clock
        self._refusals = SaidOnce()  # who sends rubbish shall not fill the disk

    def answer(self, to: Address, request: CallbackRequest) -> CallbackAnswer:
        """What the platform gets to hear; 503 makes it call again later."""
        platform = to.platform if self._verdicts.known(to.platform, to.account) else "unknown"
        try:
            verified = self._verdicts.of(to.platform, to.account, request, self._clock.now())
            standing = self._memory.standing(verified.identity, verified.proof, _MACHINE.now())
            if verified.values and standing == "replayed":
                raise CallbackRefusedError("replayed")
        except CallbackRefusedError as refused:
            return self.refuse(platform, to.account, refused)
        except Exception:  # a bug here: the platform shall call again, and the poll finds the rest
            log.exception("callback_bug", platform=platform)
            metrics.CALLBACKS.labels(platform, "bug").inc()
            return CallbackAnswer(b"bug", status=500)
        return self._acknowledged(platform, verified, known=standing == "repeated")

    def refuse(self, platform: str, account: str, refused: CallbackRefusedError) -> CallbackAnswer:
        metrics.CALLBACKS_REFUSED.labels(platform, refused.reason).inc()
        metrics.CALLBACKS.labels(platform, "refused").inc()
        if platform != "unknown":
            unsaid = self._refusals.unsaid((platform, account, refused.reason))
            if unsaid is not None:
                log.warning("callback_refused", platform=platform, account=account, reason=refused.reason,
                            status=refused.status, unsaid=unsaid)  # fmt: skip
        # Why a call is not believed stands in our log: who tries names and secrets learns nothing by it.
        reason = "refused" if refused.status == HTTPStatus.FORBIDDEN else refused.reason
        return CallbackAnswer(reason.encode(), status=refused.status)

    def _acknowledged(self, platform: str, verified: Verified, *, known: bool) -> CallbackAnswer:
        if verified.values and not known:
            reached("callback:arrived")
            key = f"{verified.account.platform}/{verified.account.account}".encode()
            try:
                self._write([Outgoing(CALLBACK_TOPIC, value, key, 0) for value in verified.values])
            except KafkaProblem as problem:
                log.warning("callback_not_written", platform=platform, cause=repr(problem))
                metrics.CALLBACKS.labels(platform, "not_written").inc()
                return CallbackAnswer(b"try again", status=503)
            self._memory.note(verified.identity, verified.proof, _MACHINE.now())
            reached("callback:written")
        result = "repeated" if known else "written" if verified.values else "nothing_to_do"
        metrics.CALLBACKS.labels(platform, result).inc()
        return verified.answer
