"""The selector that the Kafka clients wait with: as the usual one, but silent about sockets that are not registered."""

from __future__ import annotations

import selectors
import socket

import pytest

from services.runtime.kafka.connection import client_options
from services.runtime.settings import KafkaSettings


class Talkative(socket.socket):
    """Describing a socket costs calls of the system; here it is counted."""

    described = 0

    def __repr__(self) -> str:
        type(self).described += 1
        return super().__repr__()


def test_a_socket_that_is_not_registered_is_not_described_and_a_closed_one_is_still_found() -> None:
    selector: selectors.BaseSelector = client_options(KafkaSettings(bootstrap="nowhere:1"))["selector"]()
    with Talkative() as waiting:
        with pytest.raises(KeyError):
            selector.get_key(waiting)
        selector.register(waiting, selectors.EVENT_READ, "whose")
        assert selector.get_key(waiting).data == "whose"
    assert selector.get_key(waiting).data == "whose"
    selector.unregister(waiting)
    with pytest.raises(ValueError, match="-1"):
        selector.get_key(waiting)
    assert Talkative.described == 0
    selector.close()
