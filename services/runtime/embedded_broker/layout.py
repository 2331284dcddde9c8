"""The broker's configuration: one node, low internal partition counts, quick to decide abandoned transactions."""

from __future__ import annotations

from pathlib import Path

HOST = "127.0.0.1"
_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # One node: no internal topic may ask for replicas it cannot have, share groups included.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A lone consumer need not wait for others, and a killed one is noticed within seconds.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A killed producer's open transaction holds back every reader until it is aborted.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # After kill -9 the controller first waits for the dead broker's session to end; not shorter, as a busy machine
    # must not fence a broker that is alive.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "4",
    "num.recovery.threads.per.data.dir": "2",
    # The default of 128 MB is a quarter of the heap this broker gets.
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.retention.hours": "-1",
}


def server_properties(data_dir: Path, port: int, controller_port: int) -> str:
    """The text of `server.properties` for a node with these ports and this data directory."""
    placed = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": _escaped(data_dir / "log"),
    }
    return "".join(f"{key}={value}\n" for key, value in (_FIXED | placed).items())


def _escaped(path: Path) -> str:
    """Properties files are read as Latin-1 with escapes, so a Chinese directory name needs its code points."""
    text = str(path).replace("\\", "\\\\")
    return "".join(one if one.isascii() else f"\\u{ord(one):04x}" for one in text)
