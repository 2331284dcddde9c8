"""Several broker processes that are one cluster: every node broker and controller, three replicas, two in sync."""

from __future__ import annotations

import time
from pathlib import Path

from services.runtime.embedded_broker.broker import EmbeddedBroker, cluster_id, free_port
from services.runtime.embedded_broker.layout import Quorum


class EmbeddedCluster:
    """`start` returns when all nodes answer; a single node can be killed and started again by `nodes[n]`.

    A context manager. On Linux the nodes end with the thread that started them.
    """

    def __init__(self, folder: Path, nodes: int = 3, log_dir: Path | None = None) -> None:
        quorum = Quorum(cluster_id(), {n: free_port() for n in range(1, nodes + 1)})
        logs = log_dir or folder / "logs"
        self.nodes = [
            EmbeddedBroker(folder / f"node-{n}", free_port(), logs / f"node-{n}", quorum=quorum, node=n)
            for n in quorum.controllers
        ]

    @property
    def bootstrap(self) -> str:
        """All nodes, so that a client finds the cluster whichever of them is away."""
        return ",".join(node.bootstrap for node in self.nodes)

    @property
    def running(self) -> bool:
        return any(node.running for node in self.nodes)

    def start(self, timeout_s: float = 180.0) -> EmbeddedCluster:
        """Start what does not run, together, and wait for all."""
        for node in self.nodes:
            if not node.running:
                node.launch()
        deadline = time.monotonic() + timeout_s
        for node in self.nodes:
            node.await_answer(max(1.0, deadline - time.monotonic()))
        return self

    def stop(self) -> None:
        """One after the other: the last ones have no quorum left and are ended by force in the end."""
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> EmbeddedCluster:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
