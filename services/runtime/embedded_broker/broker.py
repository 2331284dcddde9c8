"""Starts, watches and ends one broker process on one data directory; survives kill -9 and starts again on it."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from random import SystemRandom

from services.runtime.children import ending_with_us
from services.runtime.embedded_broker.jars import fetch_jars, java, java_environment
from services.runtime.embedded_broker.layout import HOST, Access, Quorum, server_properties
from services.runtime.embedded_broker.startup_cache import cache_options
from services.runtime.kafka.admin import wait_for_kafka
from services.runtime.kafka.errors import KafkaUnavailable
from services.runtime.settings import KafkaSettings

_FORMAT_TIMEOUT_S = 180.0  # a second on an idle machine
_STOP_TIMEOUT_S = 30.0
_ATTEMPTS_ON_FREE_PORTS = 3
_PORTS, _PORTS_TRIED = range(20_000, 32_000), 100  # connections get theirs from 32768 on, or from 49152
_HEAP = "512m"
_MEMORY = ("-Xms128m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")


class BrokerFailed(Exception):  # noqa: N818 - says what is the case, as the other runtime errors do
    """Raised when the broker does not come up or ends by itself; carries the end of its log."""


class EmbeddedBroker:
    """One broker. `start` returns when it answers; `stop` ends it cleanly; `kill` ends it as a power cut would.

    With port 0 a free port is chosen and kept for restarts of this object. On Linux the broker ends when the thread
    that started it ends, so an aborted test run leaves nothing behind: start it from the main thread.

    quorum: the cluster that this node is a part of (default: it is alone). access: what clients must bring.
    java_options: for the broker's process, over those it would have.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        log_dir: Path | None = None,
        *,
        quorum: Quorum | None = None,
        node: int = 1,
        access: Access | None = None,
        java_options: tuple[str, ...] = (),
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._log_dir = (log_dir or data_dir / "broker-log").resolve()
        self._wished_port = port
        self._port = port
        self._quorum, self._node, self._access = quorum, node, access
        self._java_options = java_options
        self._internal_port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def inside(self) -> str:
        """Where the broker answers without `access`: its own clients', loopback only."""
        return f"{HOST}:{self._internal_port or self._port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise BrokerFailed("Kafka 未启动 / the broker has not been started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = 60.0, say: Callable[[str], None] | None = None) -> EmbeddedBroker:
        """Bring the broker up and wait until it answers; raises BrokerFailed or JarsUnavailable."""
        if self.running:
            return self
        jars = self._prepared(say)
        attempts = _ATTEMPTS_ON_FREE_PORTS if self._wished_port == 0 else 1
        for attempt in range(1, attempts + 1):
            self._start_once(jars)
            try:
                self._await_answer(timeout_s)
            except BrokerFailed:
                self.kill()
                if attempt == attempts or self._port_is_free():
                    raise
                self._port = 0  # somebody took the port between choosing and using it
            else:
                return self
        raise AssertionError("unreachable")

    def launch(self, say: Callable[[str], None] | None = None) -> None:
        """Start the process and do not wait: a node of a quorum answers only when enough others have started."""
        self._start_once(self._prepared(say))

    def await_answer(self, timeout_s: float = 60.0) -> None:
        """Until a launched node answers; raises BrokerFailed."""
        self._await_answer(timeout_s)

    def stop(self, within_s: float = _STOP_TIMEOUT_S) -> None:
        """End the broker cleanly (SIGTERM); after that time by force. Does nothing if it is not running."""
        if self._process is None:
            return
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._forget_pid()

    def kill(self) -> None:
        """End the broker without warning (SIGKILL); its data stay as they are."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget_pid()

    def wait(self) -> int:
        """Wait until the broker ends and return its exit status."""
        if self._process is None:
            raise BrokerFailed("Kafka 未启动 / the broker has not been started")
        return self._process.wait()

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepared(self, say: Callable[[str], None] | None) -> list[Path]:
        """Directories made, nobody else on them, and the jars."""
        self._refuse_second_broker()
        jars = fetch_jars(say)
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._data_dir.mkdir(parents=True, exist_ok=True)
        return jars

    def _start_once(self, jars: list[Path]) -> None:
        if self._port == 0:
            self._port = free_port()
        if self._access is not None:
            self._internal_port = self._internal_port or free_port()
        quorum = self._quorum or Quorum(cluster_id(), {self._node: free_port()}, _HEAP)
        properties = self._data_dir / "server.properties"
        text = server_properties(self._data_dir, self._port, quorum, self._node, self._access, self._internal_port)
        properties.write_text(text, "latin-1")
        if not (self._data_dir / "log" / "meta.properties").exists():
            self._format(jars, properties, quorum.cluster_id)
        with (self._log_dir / "broker.out").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(java()),
                    *_MEMORY,
                    *self._cache_options(jars),
                    f"-Xmx{quorum.heap}",
                    *self._java_options,
                    *self._log_options(),
                    "-cp",
                    _class_path(jars),
                    "kafka.Kafka",
                    str(properties),
                ],
                env=java_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the owner, who ends the broker after its clients
                preexec_fn=ending_with_us(),  # noqa: PLW1509 - the only way to leave no orphan after kill -9
            )
        self._pid_file.write_text(f"{self._process.pid}\n", "ascii")

    def _cache_options(self, jars: list[Path]) -> tuple[str, ...]:
        """None where the caller makes a cache by this very start."""
        making = any(option.startswith("-XX:AOTCacheOutput") for option in self._java_options)
        return () if making else cache_options(jars)

    def _format(self, jars: list[Path], properties: Path, cluster: str) -> None:
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(properties)]
        tool += [part for one in (self._access.credentials() if self._access else ()) for part in ("--add-scram", one)]
        done = subprocess.run(
            [
                str(java()),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",  # it is over before a better compiler would pay
                *self._cache_options(jars),
                *self._log_options(),
                "-cp",
                _class_path(jars),
                *tool,
            ],
            env=java_environment(),
            capture_output=True,
            timeout=_FORMAT_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")[-2_000:]
            raise BrokerFailed(f"无法初始化 Kafka 数据目录 / cannot format {self._data_dir}:\n{said}")

    def _log_options(self) -> tuple[str, ...]:
        configuration = self._data_dir / "log4j2.properties"
        configuration.write_bytes(files(__package__).joinpath("log4j2.properties").read_bytes())
        return (f"-Dlog4j2.configurationFile={configuration.as_uri()}", f"-Dtongbo.log.dir={self._log_dir}")

    def _await_answer(self, timeout_s: float) -> None:
        settings, deadline = KafkaSettings(bootstrap=self.inside), time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                raise BrokerFailed(f"Kafka 启动失败 / the broker ended while starting:\n{self._last_words()}")
            if _listens(self._internal_port or self._port):
                try:
                    wait_for_kafka(settings, timeout_s=max(1.0, deadline - time.monotonic()))
                    return
                except KafkaUnavailable:
                    continue
            time.sleep(0.05)
        raise BrokerFailed(
            f"Kafka 在 {timeout_s:g} 秒内无应答 / no answer within {timeout_s:g} s:\n{self._last_words()}"
        )

    def _last_words(self) -> str:
        """The end of what the broker logged, without stack frames, which push the cause out of sight."""
        said = []
        for name in ("broker.out", "kafka.log"):
            log = self._log_dir / name
            if log.exists():
                lines = log.read_text("utf-8", "replace").splitlines()
                telling = [line[:500] for line in lines if not line.startswith(("\tat ", "\t..."))]
                said += [f"--- {log}", *telling[-12:]]
        return "\n".join(said)

    @property
    def _pid_file(self) -> Path:
        return self._data_dir / "broker.pid"

    def _forget_pid(self) -> None:
        self._pid_file.unlink(missing_ok=True)

    def _refuse_second_broker(self) -> None:
        """A second broker on the same data would fail obscurely; a left-over file of a dead one is nothing."""
        try:
            pid = int(self._pid_file.read_text("ascii"))
            os.kill(pid, 0)
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(self._data_dir).encode() not in command.read_bytes():
                return  # the number belongs to another program by now
        except (OSError, ValueError):
            return
        raise BrokerFailed(
            f"数据目录已被另一个 Kafka 使用（进程 {pid}），请先停止它"
            f" / another broker (process {pid}) uses {self._data_dir}: stop it first"
        )

    def _port_is_free(self) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self._port))
            except OSError:
                return False
        return True


def cluster_id() -> str:
    """As Kafka makes its own: one that began with a hyphen would be taken for an option."""
    while True:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not cluster.startswith("-"):
            return cluster


def free_port() -> int:
    """None that systems give to outgoing connections: no connection of others holds it when the broker comes again."""
    for port in SystemRandom().sample(_PORTS, _PORTS_TRIED):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise BrokerFailed("没有找到空闲端口 / no free port was found")


def _class_path(jars: list[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.5):
            return True
    except OSError:
        return False
