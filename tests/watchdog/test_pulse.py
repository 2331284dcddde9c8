"""A watchdog whose own loop hangs ends itself, and one that waits for Kafka does not."""

from __future__ import annotations

import threading

from services.watchdog.pulse import Pulse


def test_a_loop_that_hangs_ends_the_process_and_one_at_rest_does_not() -> None:
    ended, stop = threading.Event(), threading.Event()
    pulse = Pulse(0.2, ended.set)
    pulse.watch(stop)
    pulse.rest()
    assert not ended.wait(1.5)
    pulse.beat()
    assert ended.wait(60)
    stop.set()
