"""A receiver that is slow costs its own messages time, and nobody else's."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks.client import NotDeliveredError, Poster
from services.webhooks.deliveries import BRAND_SHARE, MOST_AT_ONCE, PendingDeliveries, first
from services.webhooks.messages import Message

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TIMEOUT_S, FAR_LATER_S = 0.5, 20.0
Say = Callable[[socket.socket, threading.Event], None]


def _drips(before: bytes) -> Say:
    def say(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(before)
        while not over.wait(0.05):
            connection.sendall(b"a")

    return say


def _reads_slowly(connection: socket.socket, over: threading.Event) -> None:
    while not over.wait(0.05):
        connection.recv(1)


SLOW: dict[str, Say] = {
    "silent": lambda connection, over: None,
    "status line byte by byte": _drips(b"HTTP/1.1 200 "),
    "header byte by byte": _drips(b"HTTP/1.1 200 OK\r\nX: "),
    "informational answers": _drips(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: "),
    "reads byte by byte": _reads_slowly,
}


@contextmanager
def receiver(say: Say) -> Iterator[str]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                connection.recv(65_536)
                with connection, suppress(OSError):
                    say(connection, over)
                    over.wait(60)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        over.set()


@pytest.mark.parametrize("say", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_try_ends_when_its_time_is_over_whatever_the_receiver_does(say: Say, scheme: str) -> None:
    with receiver(say) as address:
        began = time.monotonic()
        with pytest.raises(NotDeliveredError) as refused:
            Poster(allow_private=True, timeout_s=TIMEOUT_S).post(f"{scheme}://{address}/", {"a": "b"}, b"x" * 100_000)
        assert time.monotonic() - began < FAR_LATER_S
    assert scheme == "https" or str(refused.value) == "timeout"


@pytest.mark.parametrize("url", ["http://bücher.example/", "http://h/ü", "http://h/a b", "http://[::1", "gopher://h/"])
def test_an_address_that_is_none_is_no_defect(url: str) -> None:
    with pytest.raises(NotDeliveredError):
        Poster(allow_private=False, timeout_s=TIMEOUT_S).post(url, {}, b"")


def delivery(subscription: str, number: int) -> Message:
    return Message(f"{subscription}:{number}", "placement.live", "b", {})


@given(
    st.dictionaries(st.sampled_from([f"wh-{n}" for n in range(30)]), st.sampled_from("aaab"), min_size=1),
    st.integers(2, 40),
    st.lists(st.integers(0, 30), max_size=10),
)
def test_no_brand_and_no_receiver_takes_more_than_its_share_and_nobody_is_left_out(
    owner_of: dict[str, str], most: int, ended: list[int]
) -> None:
    pending = PendingDeliveries()
    for name in owner_of:
        for number in range(5):
            pending.put(first(delivery(name, number), name, NOW), 0)
    under_way = pending.start(NOW, most, owner_of)
    for place in ended:  # some tries end, and others begin in their place
        if under_way:
            pending.back(under_way.pop(place % len(under_way)))
            under_way += pending.start(NOW, most, owner_of)
    receivers = Counter(one.subscription_id for one in under_way)
    brands = Counter(owner_of[one.subscription_id] for one in under_way)
    assert len({one.delivery_id for one in under_way}) == len(under_way) == pending.busy() <= most
    assert max(receivers.values()) <= MOST_AT_ONCE
    assert all(count <= max(1, int(most * BRAND_SHARE)) for count in brands.values())
    assert set(brands) == set(owner_of.values()), "a brand with messages always has a try under way"


def test_one_brand_with_many_slow_receivers_leaves_room_for_the_next_brand() -> None:
    pending, owner_of = PendingDeliveries(), {f"slow-{n}": "loud" for n in range(100)} | {"quiet": "calm"}
    for name in owner_of:
        pending.put(first(delivery(name, 0), name, NOW), 0)
    assert "quiet" in {one.subscription_id for one in pending.start(NOW, 32, owner_of)}
