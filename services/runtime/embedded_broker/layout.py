"""The broker's configuration: low internal partition counts, quick to decide abandoned transactions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
_FIXED = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
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


_REPLICAS = (
    "default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor",
)  # fmt: skip
_IN_SYNC = ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")


@dataclass(frozen=True, slots=True)
class Quorum:
    """The nodes of one cluster, each broker and controller. controllers: their ports by node id, from 1 on.

    heap: of each node's Java process, as Java writes it.
    """

    cluster_id: str
    controllers: dict[int, int]
    heap: str = "320m"

    @property
    def voters(self) -> str:
        return ",".join(f"{node}@{HOST}:{port}" for node, port in self.controllers.items())


@dataclass(frozen=True, slots=True)
class Access:
    """Clients must come over TLS and say who they are. keystore: PEM with the broker's key and certificate."""

    user: str
    password: str
    keystore: Path

    def properties(self) -> dict[str, str]:
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.client.plain.sasl.jaas.config": f'{plain} user_{self.user}="{self.password}";',
            "listener.name.client.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.client.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.client.ssl.keystore.type": "PEM",
            "listener.name.client.ssl.keystore.location": _escaped(self.keystore),
        }

    def credentials(self) -> tuple[str, ...]:
        """What the storage is formatted with, so that the user is known from the first start on."""
        return tuple(
            f"{mechanism}=[name={self.user},password={self.password}]"
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        )


def server_properties(
    data_dir: Path,
    port: int,
    quorum: Quorum,
    node: int = 1,
    access: Access | None = None,
    internal_port: int | None = None,
) -> str:
    """The text of `server.properties` for a node with these ports and this data directory.

    internal_port: where brokers speak to each other where clients need `access`.
    """
    inside = port if internal_port is None else internal_port
    listeners = {"PLAINTEXT": inside} | ({"CLIENT": port} if access else {})
    nodes = len(quorum.controllers)
    placed = {
        "node.id": str(node),
        "listeners": _addresses(listeners | {"CONTROLLER": quorum.controllers[node]}),
        "advertised.listeners": _addresses(listeners),
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENT:SASL_SSL",
        "controller.quorum.voters": quorum.voters,
        "log.dirs": _escaped(data_dir / "log"),
        # No internal topic may ask for replicas it cannot have, share groups included.
        **dict.fromkeys(_REPLICAS, str(min(nodes, 3))),
        **dict.fromkeys(_IN_SYNC, str(min(nodes, 3) // 2 + 1 if nodes > 1 else 1)),
        **(access.properties() if access else {}),
    }
    return "".join(f"{key}={value}\n" for key, value in (_FIXED | placed).items())


def _addresses(listeners: dict[str, int]) -> str:
    return ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items())


def _escaped(path: Path) -> str:
    """Properties files are read as Latin-1 with escapes, so a Chinese directory name needs its code points."""
    text = str(path).replace("\\", "\\\\")
    return "".join(one if one.isascii() else f"\\u{ord(one):04x}" for one in text)
