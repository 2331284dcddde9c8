"""Two pipelines on one machine must never believe the same port to be theirs."""

from __future__ import annotations

import socket
from pathlib import Path

from services.cli.local.ports import Ports


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_usual_port_is_used_where_it_is_free(tmp_path: Path) -> None:
    port = free_port()
    assert Ports(tmp_path).claim(port) == port


def test_a_port_somebody_listens_on_is_not_claimed(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = int(other.getsockname()[1])
        assert Ports(tmp_path).claim(taken) not in (taken, 0)


def test_a_port_that_another_pipeline_has_chosen_but_not_opened_is_not_claimed(tmp_path: Path) -> None:
    port, first, second = free_port(), Ports(tmp_path), Ports(tmp_path)
    assert first.claim(port) == port
    assert second.claim(port) != port


def test_one_pipeline_gives_no_port_out_twice(tmp_path: Path) -> None:
    ports, port = Ports(tmp_path), free_port()
    claimed = [ports.claim(port), ports.claim(port), *(ports.claim(0) for _ in range(20))]
    assert len(set(claimed)) == len(claimed)
