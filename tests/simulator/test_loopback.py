"""The simulator's faults and truths can be reached from this machine only."""

from __future__ import annotations

import socket

import httpx
import psutil
import pytest

from services.simulator.http.server import SimulatorServer
from tests.sockets import without_delay


def own_listeners() -> set[tuple[str, int]]:
    found = psutil.Process().net_connections("inet")
    return {(one.laddr.ip, one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN}


def other_addresses() -> list[str]:
    """The addresses under which other machines would reach this one."""
    families = (socket.AF_INET, socket.AF_INET6)
    every = [one for several in psutil.net_if_addrs().values() for one in several if one.family in families]
    return [one.address for one in every if not one.address.startswith(("127.", "::1", "fe80"))]


def test_the_simulator_opens_no_port_but_on_loopback(sim: SimulatorServer) -> None:
    ports = {int(url.rpartition(":")[2].partition("/")[0]) for url in (sim.url, sim.platform_url("toy"))}
    mine = {(address, port) for address, port in own_listeners() if port in ports}
    assert {port for _, port in mine} == ports
    assert {address for address, _ in mine} == {"127.0.0.1"}


def test_the_admin_api_does_not_answer_under_the_address_others_would_use(sim: SimulatorServer) -> None:
    port = int(sim.url.rpartition(":")[2])
    assert httpx.get(f"{sim.url}/_sim/info", trust_env=False).status_code == 200
    for address in other_addresses():
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):  # noqa: PT011 - any refusal
            pass


def test_no_answer_waits_for_an_acknowledgement_of_the_client(sim: SimulatorServer) -> None:
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{sim.url}/_sim/info").status_code == 200
        assert without_delay(int(sim.url.rpartition(":")[2])) == [True]
