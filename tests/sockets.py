"""The connections that a server in this process has accepted, as sockets that a test may question."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import psutil


def accepted(port: int) -> Iterator[socket.socket]:
    """Own ends of the connections to a port of this process; closing them leaves the connections as they are."""
    for one in psutil.Process().net_connections("tcp"):
        if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port:
            with socket.socket(fileno=os.dup(one.fd)) as connection:
                yield connection


def without_delay(port: int) -> list[bool]:
    """For each accepted connection, whether the end of an answer leaves without waiting for an acknowledgement."""
    return [bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) for one in accepted(port)]
