"""Cancellations that something below has swallowed.

aiokafka leaves out the cancellation of its own tasks while it closes a client, and with it one of the task that waits;
`asyncio.wait_for` prefers a result that is there. The task goes on, and a caller that waits for its end never returns.
"""

from __future__ import annotations

import asyncio


def end_if_cancelled() -> None:
    """Go on, unless this task has been told to end: then CancelledError is raised once more."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
