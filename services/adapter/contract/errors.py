"""The one error tree of the adapters and the table type that maps platform codes into it. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.events.placement import ErrorClass, Failure

Scope = Literal["app", "account", "post"]
Sent = Literal["no", "yes", "unknown"]
Outcome = Literal["refused", "unknown", "published", "already_posted"]


@dataclass(frozen=True, slots=True)
class CodeMeaning:
    """What one platform code means for us.

    outcome, of a call that would make a post: `refused` = the platform did nothing; `unknown` = it may have done it,
    look before calling again; `published` = it did it, only the id is unknown; `already_posted` = it says that this
    very content is there already: after an unknown call that is our own post, otherwise a refusal.
    retry_after_s: at least this long; None = the worker's own back-off. new_token: a fresh token and one repetition
    may help. meaning: Chinese, for people. source: where this is known from.
    """

    error_class: ErrorClass
    meaning: str
    source: str
    outcome: Outcome = "refused"
    retriable: bool = False
    scope: Scope = "post"
    retry_after_s: float | None = None
    new_token: bool = False


class PlatformError(Exception):
    """A platform call did not do what was asked. Steered by attributes, never by its text.

    sent: `no` = the request never left us (safe to repeat); `yes` = the platform answered; `unknown` = it left, and no
    answer came back.
    """

    def __init__(
        self,
        message: str,
        *,
        error_class: ErrorClass,
        sent: Sent,
        outcome: Outcome = "refused",
        retriable: bool = False,
        scope: Scope = "post",
        retry_after_s: float | None = None,
        new_token: bool = False,
        code: str | None = None,
        recognised: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_class = error_class
        self.sent: Sent = sent
        self.outcome: Outcome = outcome
        self.retriable = retriable
        self.scope: Scope = scope
        self.retry_after_s = retry_after_s
        self.new_token = new_token
        self.code = code
        self.recognised = recognised

    def failure(self) -> Failure:
        """The record of it for the ledger."""
        return Failure(
            error_class=self.error_class,
            code=self.code,
            message=self.message,
            scope=self.scope,
            sent=self.sent,
            recognised=self.recognised,
        )


class NotSentError(PlatformError):
    """Raised when the request never reached the platform (no connection, no free connection): safe to repeat."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_class="platform_down", sent="no", retriable=True)


class HeldBackError(PlatformError):
    """Raised at the last moment before a request by what our own side has said: nothing left, nobody is to blame.

    held_by: what holds it, as the worker's own question found it.
    """

    def __init__(self, message: str, held_by: object) -> None:
        super().__init__(message, error_class="needs_human", sent="no")
        self.held_by = held_by


class NoAnswerError(PlatformError):
    """Raised when the request left and no usable answer came back: the outcome is unknown until somebody looks."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_class="network_unknown", sent="unknown", outcome="unknown")


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """Every known code of one platform. An unknown code becomes a loud *unrecognised*, never a guess."""

    platform: str
    meanings: Mapping[str, CodeMeaning]

    def error(self, code: str | int, platform_message: str, *, override: CodeMeaning | None = None) -> PlatformError:
        """The error for `code`; `override` where an endpoint gives a code a meaning of its own."""
        meaning = override or self.meanings.get(str(code))
        if meaning is None:
            return PlatformError(
                f"平台返回未识别的错误码 {code}：{platform_message} / unrecognised code",
                error_class="needs_human",
                sent="yes",
                outcome="unknown",
                code=str(code),
                recognised=False,
            )
        return PlatformError(
            f"{meaning.meaning}（{code}：{platform_message}）",
            error_class=meaning.error_class,
            sent="yes",
            outcome=meaning.outcome,
            retriable=meaning.retriable,
            scope=meaning.scope,
            retry_after_s=meaning.retry_after_s,
            new_token=meaning.new_token,
            code=str(code),
        )
