"""The adapter's own choices: hosts, waiting times, page sizes. Limits of the platform are in `limits.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from services.adapter.contract.adapter import Timing

OPEN_HOST = "https://api.weibo.com"
COMMERCIAL_HOST = "https://c.api.weibo.com"

# A slow server shows a post 1–2 minutes later (code 20032); statuses are never followed, they are live or not.
TIMING = Timing(look_after_s=90.0, look_every_s=60.0, looks=2, follow_every_s=300.0, call_timeout_s=20.0)


@dataclass(frozen=True, slots=True)
class Looking:
    """clock_slack: how far the platform's time of a post may lie before our time of the call.

    pages: most pages of the timeline, or of the account's comments, for one search; comments_per_page: as below.
    """

    clock_slack: timedelta = timedelta(minutes=5)
    pages: int = 10
    comments_per_page: int = 200


@dataclass(frozen=True, slots=True)
class Listening:
    """comments_per_page: the platform's default is 50 [doc], its most 200 [memory].

    whole_walk_at_most: posts with more comments than this are not walked whole again for a late comment.
    counts_lag: a post younger than this may be missing in the counts.
    """

    comments_per_page: int = 200
    whole_walk_at_most: int = 4000
    counts_lag: timedelta = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class CallbackLimits:
    """Limits for callbacks. fresh_within: greatest difference of the clocks [assumption]. most_bytes: of a body."""

    fresh_within: timedelta = timedelta(minutes=5)
    most_bytes: int = 65_536


LOOKING = Looking()
CALLBACK_LIMITS = CallbackLimits()
LISTENING = Listening()
